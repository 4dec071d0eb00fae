# Functions that build a free-threaded Python. VERSION is 3.13 by default. SOURCE is a
# tarball of CPython; without it, Debian's source package is downloaded. Source this
# file after common.sh.

VERSION=${VERSION:-3.13}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
BUILD_PACKAGES="gcc make xz-utils libffi-dev libssl-dev zlib1g-dev ca-certificates"

missing_packages() {
    for package in $BUILD_PACKAGES; do
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null |
            grep -q 'ok installed' || echo "$package"
    done
}

# fetch_source FOLDER: download the tarball of CPython from the source package and set
# SOURCE. apt uses lists and settings in FOLDER, so that those of the system stay
# unchanged. A mirror may lack the newest version that its list names; then try the
# other versions in the list.
fetch_source() {
    local suite=sid version
    [ "$VERSION" != 3.13 ] || suite=trixie
    mkdir -p "$1"/{lists/partial,archives/partial,parts}
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
        "$MIRROR $suite main" >"$1/sources.list"
    local options=(-o Dir::Etc::SourceList="$1/sources.list"
        -o Dir::Etc::SourceParts="$1/parts" -o Dir::State::Lists="$1/lists"
        -o Dir::Cache="$1" -o APT::Sandbox::User=root)
    apt-get -qq "${options[@]}" update
    for version in $(apt-cache "${options[@]}" showsrc "python$VERSION" |
        sed -n 's/^Version: //p' | sort --version-sort --reverse --unique); do
        (cd "$1" && apt-get -qq "${options[@]}" source --download-only --tar-only \
            "python$VERSION=$version") || continue
        SOURCE=$(echo "$1/python${VERSION}_"*.orig.tar.xz)
        return
    done
    echo "$0: $MIRROR has no source of Python $VERSION: download a tarball of" \
        "CPython, and pass its path as SOURCE=" >&2
    exit 1
}

# configure_and_make FOLDER ARGUMENT...: configure the sources in FOLDER/src with the
# ARGUMENTS, build and install to FOLDER. pip is not installed; Python's module venv has
# its own. No .pyc files are made: with --help, compileall only prints its help. Python
# compiles each module when it is imported.
configure_and_make() {
    cd "$1/src" &&
        ./configure -q --prefix="$1" --disable-gil --without-ensurepip "${@:2}" &&
        make -s -j"${JOBS:-$(nproc)}" &&
        make -s altinstall COMPILEALL_OPTS=--help
}

# build_python FOLDER ARGUMENT...: build FOLDER/bin/pythonVERSIONt, configured with the
# ARGUMENTS, unless it exists.
build_python() {
    local python="$1/bin/python${VERSION}t" missing
    [ ! -x "$python" ] || return 0
    missing=$(missing_packages)
    [ -z "$missing" ] || install_packages $missing
    rm -rf "$1"
    mkdir -p "$1/src"
    [ -n "${SOURCE:-}" ] || fetch_source "$1/apt"
    tar -xf "$SOURCE" -C "$1/src" --strip-components=1
    echo "building $python"
    (configure_and_make "$@") >"$1/build.log" 2>&1 ||
        { tail -20 "$1/build.log" >&2; exit 1; }
    rm -rf "$1/src" "$1/apt"
}
