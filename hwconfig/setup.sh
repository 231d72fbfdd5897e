#!/bin/sh
# Makes this machine able to build and run Rialto: system packages and the Rust tool chain; with the
# argument `test`, able to test it too: programs of others that speak the same protocols.
# Changes nothing that is there already; says what it does on stderr. Called by the Makefile.
set -eu

PACKAGES="ca-certificates git make build-essential pkg-config libclang-dev libdpdk-dev uuid-dev
libbsd-dev iproute2 ethtool"
# A command and the package that brings it. Node.js and npm often come from elsewhere than Debian.
TEST_COMMANDS="tshark:tshark node:nodejs npm:npm python3:python3"
# The least version of CMake that builds Aeron, and where one is put if the system's is older.
CMAKE_MIN=3.30
CMAKE=$(dirname "$0")/../.cmake
# What npm installs is here, in the versions that its lock file names.
BROKER=$(dirname "$0")/../tests/parties/soupbintcp

say() { echo "set-up: $*" >&2; }
stop() { say "$@"; exit 1; }

# A line of its own without our name before it: one to copy.
stop_for() { printf '\n    %s\n\n' "$*" >&2; exit 1; }

missing_packages() {
    for package in $PACKAGES; do
        status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) || status=
        [ "$status" = installed ] || printf '%s ' "$package"
    done
    missing_test_packages
}

missing_test_packages() {
    [ "$purpose" = test ] || return 0
    for pair in $TEST_COMMANDS; do
        command -v "${pair%:*}" >/dev/null || printf '%s ' "${pair#*:}"
    done
    has_cmake || python3 -c 'import ensurepip, venv' 2>/dev/null || printf 'python3-venv '
}

# Ours, or the system's if it is new enough.
has_cmake() {
    for cmake in "$CMAKE/bin/cmake" cmake; do
        version=$("$cmake" --version 2>/dev/null | sed -n '1s/^cmake version //p')
        oldest=$(printf '%s\n%s\n' "$CMAKE_MIN" "$version" | sort -V | head -n 1)
        [ -z "$version" ] || [ "$oldest" != "$CMAKE_MIN" ] || return 0
    done
    return 1
}

install_cmake() {
    has_cmake && return 0
    say "installing CMake in $CMAKE"
    {
        python3 -m venv "$CMAKE" &&
            "$CMAKE/bin/pip" install --quiet --disable-pip-version-check \
                --require-hashes --only-binary :all: --requirement "${0%/*}/cmake.txt"
    } >&2 || stop "CMake $CMAKE_MIN or newer could not be installed, see above"
}

install_packages() {
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    missing=${missing% }
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        as_root="sudo -n"
        if ! sudo -n true 2>/dev/null; then
            say "packages are missing, and installing them needs root. Run this, then make again:"
            # Debian has sudo only where its installer was given no root password. A login shell for
            # su: without one PATH stays the user's, and dpkg finds no ldconfig.
            command -v sudo >/dev/null && become_root="sudo sh -c" || become_root="su - -c"
            stop_for "$become_root" \
                "'apt-get update && apt-get install -y --no-install-recommends $missing'"
        fi
    fi
    say "installing $missing"
    # The names are split into words on purpose.
    # shellcheck disable=SC2086
    {
        $as_root apt-get -q update &&
            $as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get -q install -y --no-install-recommends $missing
    } >&2 || stop "apt-get failed, see above"
}

check_other_system() {
    if pkg-config --exists libdpdk 2>/dev/null; then
        say "not a Debian system; found DPDK $(pkg-config --modversion libdpdk), going on"
    else
        say "not a Debian system, and pkg-config finds no libdpdk. Install what corresponds to Debian's"
        # shellcheck disable=SC2086 # one line
        stop_for "$(echo $PACKAGES)"
    fi
    missing=$(missing_test_packages)
    [ -z "$missing" ] || { say "the tests need what Debian has in"; stop_for "$missing"; }
}

# Only when the lock file is not the one of the last time: needs the network, and removes first.
install_broker() {
    cmp -s "$BROKER/package-lock.json" "$BROKER/node_modules/installed" && return 0
    say "installing $BROKER/node_modules"
    npm ci --prefix "$BROKER" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 ||
        stop "npm failed, see above"
    cp "$BROKER/package-lock.json" "$BROKER/node_modules/installed"
}

check_rust() {
    command -v cargo >/dev/null && return 0
    say "cargo is missing. Install rustup, then run make again:"
    stop_for "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
}

purpose=${1:-run}
case $purpose in
    run | test) ;;
    *) stop "usage: setup.sh [run|test]" ;;
esac

if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
    install_packages
else
    check_other_system
fi
check_rust
[ "$purpose" != test ] || { install_broker; install_cmake; }
