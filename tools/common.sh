# Functions for the scripts in tools/, which source this file. It changes to the folder
# of the checkout.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON=${PYTHON:-python3}

# install_packages PACKAGE...: install Debian packages; if not root, name them and exit.
install_packages() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "$0: packages are missing; as root: apt-get install $*" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}

# need COMMAND PACKAGE...: install the packages if the command does not exist.
need() {
    command -v "$1" >/dev/null || install_packages "${@:2}"
}

# make_venv GROUP: make the virtual environment .venv/GROUP with that dependency group
# (--group needs pip 25.1).
make_venv() {
    "$PYTHON" -m venv --clear ".venv/$1"
    ".venv/$1/bin/pip" install --quiet --upgrade pip
    ".venv/$1/bin/pip" install --quiet --group "$1"
}

# ignoring NAME...: print the options with which pytest leaves out tests/test_NAME.py.
ignoring() {
    printf -- '--ignore=tests/test_%s.py ' "$@"
}

# copy_sources FOLDER: copy the checkout, for a tool that builds it with other flags.
# What was built in FOLDER stays there. A test that was deleted from the checkout is
# deleted there, too.
copy_sources() {
    mkdir -p "$1"
    rm -rf "$1/tests"
    tar --create --exclude-vcs --exclude='./build' --exclude='./.venv' \
        --exclude='*.so' --exclude='__pycache__' . | tar --extract --directory "$1"
}

# The C files that each C test is linked with. Of the files without Python.h, some are
# not here: pages_windows.c, and the four files that test_methods.c includes (methods.c,
# split.c, find.c, copy.c).
C_LAYERS="src/growth.c src/pages.c src/pages_linux.c src/pages_posix.c src/prefault.c
    src/entries.c src/pool.c src/moves.c src/spans.c src/store_memory.c src/store.c \
    src/views.c"
# The flags that the C tests are compiled with.
C_TESTING="-std=c11 -Wall -Wextra -Werror -UNDEBUG -pthread -Isrc -Itests/c"
