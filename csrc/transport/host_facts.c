/* SPDX-License-Identifier: Apache-2.0 */
/* host_facts.c: what libuv knows of this machine. */
#include <goferbroke/node.h>

#include <stdio.h>
#include <string.h>
#include <uv.h>

void gb_host_facts_read(gb_host_facts *out)
{
    memset(out, 0, sizeof *out);
    size_t size = sizeof out->host;
    if (uv_os_gethostname(out->host, &size) != 0) {
        out->host[0] = '\0';
    }
    uv_utsname_t names;
    if (uv_os_uname(&names) == 0) {
        (void)snprintf(out->platform, sizeof out->platform, "%.63s", names.sysname);
        (void)snprintf(out->release, sizeof out->release, "%.127s", names.release);
        (void)snprintf(out->machine, sizeof out->machine, "%.63s", names.machine);
    }
    uv_cpu_info_t *cores = NULL;
    int core_count = 0;
    if (uv_cpu_info(&cores, &core_count) == 0) {
        out->core_count = (uint32_t)core_count;
        if (core_count > 0 && cores[0].model != NULL && strcmp(cores[0].model, "unknown") != 0) {
            (void)snprintf(out->cpu_model, sizeof out->cpu_model, "%.127s", cores[0].model);
        }
        uv_free_cpu_info(cores, core_count);
    }
    out->memory_total = uv_get_total_memory();
    /* Free memory alone would call a machine full whose memory holds files; where the system tells
     * what is available, libuv gives that. */
    out->memory_available = uv_get_free_memory();
}
