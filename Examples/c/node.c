/* SPDX-License-Identifier: Apache-2.0 */
/* node.c: a member of a cluster in C: joins, sets, reads, watches.
 *
 *   node --cluster CLUSTER --name NAME [--listen HOST:PORT] [--seed HOST:PORT]...
 *
 * It reads commands from standard input, a line each:
 *
 *   set GROUP KEY VALUE     an own value; VALUE is the rest of the line
 *   delete GROUP KEY
 *   get NODE GROUP KEY
 *   members
 *   leave                   also SIGTERM and SIGINT
 *
 * and prints what happens, a line each. Exit: 0 left, 1 failed, 3 replaced by a later life of this
 * name, 64 wrong command line. */
#define _POSIX_C_SOURCE 200809L

#include "detector.h"

#include <goferbroke/goferbroke.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS_MAX 16
#define HOST_SIZE 256
#define LINE_MAX_BYTES 65536
#define SILENCE_US UINT64_C(6000000)
#define SUSPICION_US UINT64_C(3000000)

typedef struct arguments {
    const char *cluster;
    const char *name;
    gb_endpoint listen;
    gb_endpoint seeds[SEEDS_MAX];
    uint32_t seed_count;
    char hosts[SEEDS_MAX + 1][HOST_SIZE]; /* what the endpoints point at */
} arguments;

typedef struct program {
    gb_node *node;
    detector *detector;
    char line[LINE_MAX_BYTES];
    size_t line_len;
    bool is_input_over;
    bool is_over;
    int exit_code;
} program;

static int signal_pipe[2];

static void on_signal(int number)
{
    int saved = errno;
    unsigned char byte = (unsigned char)number;
    ssize_t ignored = write(signal_pipe[1], &byte, 1);
    (void)ignored;
    errno = saved;
}

/* ---- Command line ---------------------------------------------------------------------------- */

/* "HOST:PORT", the host copied to `host`. */
static bool parse_endpoint(const char *text, char *host, gb_endpoint *out)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || (size_t)(colon - text) >= HOST_SIZE) {
        return false;
    }
    char *end;
    errno = 0;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (errno != 0 || end == colon + 1 || *end != '\0' || port > UINT16_MAX) {
        return false;
    }
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    *out = (gb_endpoint){.host = host, .port = (uint16_t)port};
    return true;
}

static bool parse_arguments(int argc, char **argv, arguments *out)
{
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool is_fine = value != NULL;
        if (is_fine && strcmp(argv[i], "--cluster") == 0) {
            out->cluster = value;
        } else if (is_fine && strcmp(argv[i], "--name") == 0) {
            out->name = value;
        } else if (is_fine && strcmp(argv[i], "--listen") == 0) {
            is_fine = parse_endpoint(value, out->hosts[SEEDS_MAX], &out->listen);
        } else if (is_fine && strcmp(argv[i], "--seed") == 0 && out->seed_count < SEEDS_MAX) {
            is_fine =
                parse_endpoint(value, out->hosts[out->seed_count], &out->seeds[out->seed_count]);
            out->seed_count++;
        } else {
            is_fine = false;
        }
        if (!is_fine) {
            fprintf(stderr, "node: %s %s is not understood\n", argv[i], value == NULL ? "" : value);
            return false;
        }
    }
    return out->cluster != NULL && out->name != NULL;
}

/* ---- Printing -------------------------------------------------------------------------------- */

/* Text from the cluster; a value must not drive the terminal. */
static void print_text(gb_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.base[i];
        if (byte < 0x20 || byte == 0x7f) {
            printf("\\x%02x", byte);
        } else {
            putchar(byte);
        }
    }
}

static uint64_t big_endian(gb_slice bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        number = number << 8 | bytes.base[i];
    }
    return number;
}

/* The bytes fit the type: the library has checked that. */
static void print_value(const gb_delta *delta)
{
    switch (delta->type) {
    case GB_VALUE_STRING:
        print_text(delta->value);
        break;
    case GB_VALUE_BOOL:
        fputs(delta->value.base[0] != 0 ? "true" : "false", stdout);
        break;
    case GB_VALUE_INT:
    case GB_VALUE_INT64:
        printf("%" PRId64, (int64_t)big_endian(delta->value));
        break;
    case GB_VALUE_UINT8:
    case GB_VALUE_UINT16:
    case GB_VALUE_UINT32:
    case GB_VALUE_UINT64:
        printf("%" PRIu64, big_endian(delta->value));
        break;
    default:
        fputs("0x", stdout);
        for (size_t i = 0; i < delta->value.len; i++) {
            printf("%02x", delta->value.base[i]);
        }
        break;
    }
}

static const char *status_name(uint8_t status)
{
    static const char *const names[] = {"alive", "suspect", "dead", "left"};
    return status < sizeof names / sizeof names[0] ? names[status] : "unknown";
}

static void print_member(gb_slice name, uint64_t generation, uint8_t status, gb_slice host,
                         uint16_t port)
{
    fputs("member ", stdout);
    print_text(name);
    printf(" %s ", status_name(status));
    print_text(host);
    printf(":%u generation %" PRIu64 "\n", (unsigned)port, generation);
}

static void print_delta(gb_slice name, const gb_record *record, const char *ending)
{
    gb_delta delta;
    gb_record_view(record, &delta);
    fputs("delta ", stdout);
    print_text(name);
    putchar(' ');
    print_text(delta.group);
    putchar(' ');
    print_text(delta.key);
    if (ending != NULL) {
        puts(ending);
        return;
    }
    fputs(" = ", stdout);
    print_value(&delta);
    putchar('\n');
}

/* ---- Commands -------------------------------------------------------------------------------- */

static bool visit_member(void *user, const gb_member *member)
{
    (void)user;
    print_member(member->name, member->generation, member->status, member->host, member->port);
    return true;
}

static void command_get(program *p, const char *name, const char *group, const char *key)
{
    gb_record *record;
    gb_err err = gb_node_get(p->node, gb_slice_from_str(name), GB_LANE_USER,
                             gb_slice_from_str(group), gb_slice_from_str(key), &record, NULL);
    if (err != GB_OK) {
        printf("error get: %s\n", gb_strerror(err));
        return;
    }
    gb_delta delta;
    gb_record_view(record, &delta);
    fputs("value ", stdout);
    print_value(&delta);
    putchar('\n');
    gb_node_record_release(p->node, record);
}

static void run_command(program *p, char *line)
{
    char *rest = line;
    const char *words[4] = {NULL, NULL, NULL, NULL};
    char *save = NULL;
    uint32_t count = 0;
    /* At most three words and the rest of the line: a value may contain blanks. */
    while (count < 3) {
        char *word = strtok_r(rest, " ", &save);
        if (word == NULL) {
            break;
        }
        rest = NULL;
        words[count] = word;
        count++;
    }
    if (count == 3 && save != NULL && *save != '\0') {
        words[3] = save;
        count = 4;
    }
    if (count == 0) {
        return;
    }
    gb_err err = GB_OK;
    if (strcmp(words[0], "set") == 0 && count == 4) {
        err = gb_node_set(p->node, GB_LANE_USER, gb_slice_from_str(words[1]),
                          gb_slice_from_str(words[2]), GB_VALUE_STRING, gb_slice_from_str(words[3]),
                          0);
    } else if (strcmp(words[0], "delete") == 0 && count == 3) {
        err = gb_node_delete(p->node, GB_LANE_USER, gb_slice_from_str(words[1]),
                             gb_slice_from_str(words[2]));
    } else if (strcmp(words[0], "get") == 0 && count == 4) {
        command_get(p, words[1], words[2], words[3]);
        return;
    } else if (strcmp(words[0], "members") == 0 && count == 1) {
        gb_node_members(p->node, visit_member, NULL);
        return;
    } else if (strcmp(words[0], "leave") == 0 && count == 1) {
        err = gb_node_leave(p->node);
    } else {
        puts("error the command is not understood");
        return;
    }
    if (err == GB_OK) {
        printf("ok %s\n", words[0]);
    } else {
        printf("error %s: %s\n", words[0], gb_strerror(err));
    }
}

/* Takes what standard input has; runs each whole line. */
static void read_input(program *p)
{
    ssize_t count = read(STDIN_FILENO, p->line + p->line_len, sizeof p->line - 1 - p->line_len);
    if (count <= 0) {
        p->is_input_over = count == 0 || errno != EINTR;
        return;
    }
    p->line_len += (size_t)count;
    char *start = p->line;
    char *end;
    while ((end = memchr(start, '\n', p->line_len - (size_t)(start - p->line))) != NULL) {
        *end = '\0';
        run_command(p, start);
        start = end + 1;
    }
    p->line_len -= (size_t)(start - p->line);
    memmove(p->line, start, p->line_len);
    if (p->line_len == sizeof p->line - 1) {
        puts("error the line is too long");
        p->line_len = 0;
    }
}

/* ---- Events ---------------------------------------------------------------------------------- */

static void on_action(void *user, const gb_action *action)
{
    program *p = user;
    /* A node that is closing has nobody to act for it. */
    (void)gb_node_act(p->node, action);
}

static void finish(program *p, const char *word, gb_slice text, int exit_code)
{
    fputs(word, stdout);
    if (text.len != 0) {
        fputs(": ", stdout);
        print_text(text);
    }
    putchar('\n');
    p->exit_code = exit_code;
    p->is_over = true;
}

static void handle_event(program *p, const gb_event *event)
{
    detector_handle(p->detector, event);
    switch (event->kind) {
    case GB_EVENT_JOINED:
        printf("joined %" PRIu64 "\n", event->count);
        break;
    case GB_EVENT_SEED_FAILED:
        fputs("seed failed: ", stdout);
        print_text(event->text);
        putchar('\n');
        break;
    case GB_EVENT_MEMBER:
        if (event->change != GB_CHANGE_UPDATED) {
            print_member(event->name, event->generation, event->status, event->host, event->port);
        }
        break;
    case GB_EVENT_DELTA:
        if (event->lane == GB_LANE_USER && event->record != NULL) {
            print_delta(event->name, event->record, NULL);
        } else if (event->lane == GB_LANE_USER && event->before != NULL) {
            print_delta(event->name, event->before, " deleted");
        }
        break;
    case GB_EVENT_LAGGED:
        printf("lagged %" PRIu64 "\n", event->count);
        break;
    case GB_EVENT_LEFT:
        finish(p, "left", gb_slice_make(NULL, 0), 0);
        break;
    case GB_EVENT_REJECTED:
        finish(p, "rejected", event->text, 1);
        break;
    case GB_EVENT_REPLACED:
        finish(p, "replaced", event->text, 3);
        break;
    default:
        break;
    }
}

static void take_events(program *p)
{
    const gb_event *event;
    while (!p->is_over && gb_node_event_next(p->node, &event) == GB_OK) {
        handle_event(p, event);
        gb_event_release(p->node, event);
    }
}

/* Until the node has left, was refused or replaced. */
static void run(program *p)
{
    while (!p->is_over) {
        fflush(stdout);
        struct pollfd fds[] = {
            {.fd = gb_node_event_fd(p->node), .events = POLLIN},
            {.fd = signal_pipe[0], .events = POLLIN},
            {.fd = p->is_input_over ? -1 : STDIN_FILENO, .events = POLLIN},
        };
        if (poll(fds, 3, -1) < 0 && errno != EINTR) {
            perror("node: poll");
            p->exit_code = 1;
            return;
        }
        if (fds[1].revents != 0) {
            unsigned char byte;
            if (read(signal_pipe[0], &byte, 1) == 1 && gb_node_leave(p->node) != GB_OK) {
                return;
            }
        }
        if (fds[2].revents != 0) {
            read_input(p);
        }
        take_events(p);
    }
    fflush(stdout);
}

static int run_node(const arguments *a, gb_loop *loop)
{
    gb_node_options options = {
        .size = sizeof options,
        .cluster = a->cluster,
        .name = a->name,
        .listen = a->listen,
        .seeds = a->seeds,
        .seed_count = a->seed_count,
        .has_detector = true,
    };
    static program p;
    gb_err_info info = {0};
    if (gb_node_open(loop, &options, &p.node, &info) != GB_OK) {
        fprintf(stderr, "node: %s\n", info.text);
        return 1;
    }
    p.detector = detector_open(SILENCE_US, SUSPICION_US, on_action, &p);
    printf("listening %s:%u\n", a->listen.host == NULL ? "127.0.0.1" : a->listen.host,
           (unsigned)gb_node_port(p.node));
    if (p.detector == NULL || gb_node_join(p.node) != GB_OK) {
        fputs("node: out of memory\n", stderr);
        p.exit_code = 1;
    } else {
        run(&p);
    }
    gb_node_close(p.node);
    detector_close(p.detector);
    return p.exit_code;
}

int main(int argc, char **argv)
{
    static arguments a;
    if (!parse_arguments(argc, argv, &a)) {
        fputs("usage: node --cluster CLUSTER --name NAME [--listen HOST:PORT] [--seed "
              "HOST:PORT]...\n",
              stderr);
        return 64;
    }
    if (pipe(signal_pipe) != 0 || fcntl(signal_pipe[1], F_SETFL, O_NONBLOCK) != 0) {
        perror("node: pipe");
        return 1;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    gb_loop *loop;
    gb_err_info info = {0};
    if (gb_loop_open(NULL, &loop, &info) != GB_OK) {
        fprintf(stderr, "node: %s\n", info.text);
        return 1;
    }
    int code = run_node(&a, loop);
    gb_loop_close(loop);
    return code;
}
