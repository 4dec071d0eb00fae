# What the scripts of tools/ share. To be sourced; leaves them in the checkout.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON=${PYTHON:-python3}

# Install Debian packages; or name them and end, where only root could.
install_packages() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "$0: missing; to install as root: apt-get install $*" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}

# need COMMAND PACKAGE...: have a command.
need() {
    command -v "$1" >/dev/null || install_packages "${@:2}"
}

# make_venv GROUP: have .venv/GROUP with a dependency group, which needs pip 25.1.
make_venv() {
    "$PYTHON" -m venv --clear ".venv/$1"
    ".venv/$1/bin/pip" install --quiet --upgrade pip
    ".venv/$1/bin/pip" install --quiet --group "$1"
}

# ignoring NAME...: pytest's options that leave out tests/test_NAME.py.
ignoring() {
    printf -- '--ignore=tests/test_%s.py ' "$@"
}

# copy_sources FOLDER: for a tool that builds with flags of its own, or beside others.
# What was built there stays; tests that are no more do not.
copy_sources() {
    mkdir -p "$1"
    rm -rf "$1/tests"
    tar --create --exclude-vcs --exclude='./build' --exclude='./.venv' \
        --exclude='*.so' --exclude='__pycache__' . | tar --extract --directory "$1"
}

# The plain C layers, and the fake kernel that tests put under them.
C_LAYERS="src/growth.c src/pages.c src/pages_linux.c src/pages_posix.c src/prefault.c
    src/pool.c src/spans.c src/store.c"
C_TESTING="-std=c11 -Wall -Wextra -Werror -UNDEBUG -pthread -Isrc -Itests/c"
