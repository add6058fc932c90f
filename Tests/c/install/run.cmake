# SPDX-License-Identifier: Apache-2.0
# Installs a build into a folder, moves it, and builds consumers there: with find_package, and with
# pkg-config where that program is installed. Every consumer must print the version of the library.

function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output
        ERROR_VARIABLE output)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "${ARGV}\n${output}")
    endif()
    set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect_version)
    run(${ARGV})
    string(FIND "${output}" "${VERSION} GB_EADDRINUSE address already in use" found)
    if(found EQUAL -1)
        message(FATAL_ERROR "${ARGV} printed: ${output}")
    endif()
endfunction()

file(REMOVE_RECURSE "${WORK_DIR}")
run(${CMAKE_COMMAND} --install "${BUILD_DIR}" --config "${CONFIG}" --prefix "${WORK_DIR}/first")
# What is installed must not know where it was installed.
file(RENAME "${WORK_DIR}/first" "${WORK_DIR}/moved")
set(prefix "${WORK_DIR}/moved")

run(${CMAKE_COMMAND} -S "${CMAKE_CURRENT_LIST_DIR}" -B "${WORK_DIR}/consumer" -G "${GENERATOR}"
    "-DCMAKE_C_COMPILER=${COMPILER}" "-DCMAKE_PREFIX_PATH=${prefix}" -DCMAKE_BUILD_TYPE=Release)
run(${CMAKE_COMMAND} --build "${WORK_DIR}/consumer")
expect_version("${WORK_DIR}/consumer/consumer_shared")
expect_version("${WORK_DIR}/consumer/consumer_static")

find_program(PKG_CONFIG NAMES pkg-config pkgconf)
if(PKG_CONFIG)
    set(ENV{PKG_CONFIG_PATH} "${prefix}/${LIBDIR}/pkgconfig")
    run(${PKG_CONFIG} --modversion goferbroke)
    string(STRIP "${output}" output)
    if(NOT output STREQUAL VERSION)
        message(FATAL_ERROR "goferbroke.pc has version ${output}, not ${VERSION}")
    endif()
    run(${PKG_CONFIG} --cflags --libs goferbroke)
    separate_arguments(flags UNIX_COMMAND "${output}")
    run(${COMPILER} "${CMAKE_CURRENT_LIST_DIR}/consumer.c" -o "${WORK_DIR}/consumer_pc" ${flags}
        "-Wl,-rpath,${prefix}/${LIBDIR}")
    expect_version("${WORK_DIR}/consumer_pc")
else()
    message(STATUS "no pkg-config here: goferbroke.pc is not tried")
endif()
