# SPDX-License-Identifier: Apache-2.0
# Sourced by scripts/demo and scripts/test: where things are, and the system packages they need.
# shellcheck shell=bash

export LC_ALL=C.UTF-8
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Builds of all scripts share these folders; each kind of build has its own, so that none undoes another's work.
swift_scratch="$root/.build"
# The package and the Swift example share it; a cached manifest would be that of whichever was built last.
swift_options=(--scratch-path "$swift_scratch" --disable-build-manifest-caching)
c_scratch="$root/.build-c"

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# The clang beside swift has the sanitizers' runtimes and libFuzzer, and is there where no `cc` is.
find_toolchain() {
    command -v swift >/dev/null || die "swift is not on the PATH: install the Swift toolchain, 6.2 or later (https://www.swift.org/install)"
    CC="$(dirname "$(readlink -f "$(command -v swift)")")/clang"
    [ -x "$CC" ] || CC=$(command -v clang) || die "there is no clang beside swift"
    export CC
}

# A command as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root for: $*"
    fi
}

has_package() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_packages() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" </dev/null; }

# need_packages LOG PACKAGE…: installs those that are missing, and says so.
need_packages() {
    local log=$1 package missing=()
    shift
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "no apt-get here: these packages of Debian, or what is like them, must be there: $*"
        return 0
    fi
    for package in "$@"; do
        has_package "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing system packages with apt-get: ${missing[*]}"
    if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
        as_root apt-get update -q </dev/null >>"$log" 2>&1 || die "apt-get update failed, see $log"
    fi
    install_packages "${missing[@]}" >>"$log" 2>&1 && return 0
    # Lists may be older than the packages on the servers.
    as_root apt-get update -q </dev/null >>"$log" 2>&1 || die "apt-get update failed, see $log"
    install_packages "${missing[@]}" >>"$log" 2>&1 || die "apt-get install ${missing[*]} failed, see $log"
}

# What is built on: libuv alone.
demo_packages=(libuv1-dev)
# What the tests use beside it: the build of the C core, its formatter, integration tests, the check of goferbroke.pc, hosts made of
# network namespaces, the stacks of a run that is stuck.
test_packages=(cmake ninja-build clang-format python3 pkgconf iproute2 nftables elfutils)
