# Building a free-threaded Python 3.13 from Debian's source package. To be sourced behind
# common.sh.

MIRROR=${MIRROR:-http://deb.debian.org/debian}
BUILD_PACKAGES="gcc make xz-utils libffi-dev libssl-dev zlib1g-dev ca-certificates"

missing_packages() {
    for package in $BUILD_PACKAGES; do
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null |
            grep -q 'ok installed' || echo "$package"
    done
}

# fetch_source FOLDER: lists and settings of its own, so that the system's stay.
fetch_source() {
    mkdir -p "$1"/apt/{lists/partial,archives/partial,parts} "$1/src"
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
        "$MIRROR trixie main" >"$1/apt/sources.list"
    local apt=(apt-get -qq -o Dir::Etc::SourceList="$1/apt/sources.list"
        -o Dir::Etc::SourceParts="$1/apt/parts" -o Dir::State::Lists="$1/apt/lists"
        -o Dir::Cache="$1/apt" -o APT::Sandbox::User=root)
    "${apt[@]}" update
    (cd "$1/apt" && "${apt[@]}" source --download-only python3.13)
    tar -xf "$1"/apt/python3.13_*.orig.tar.xz -C "$1/src" --strip-components=1
}

# configure_and_make FOLDER ARGUMENT...
configure_and_make() {
    cd "$1/src" &&
        ./configure -q --prefix="$1" --disable-gil "${@:2}" &&
        make -s -j"${JOBS:-$(nproc)}" &&
        make -s altinstall
}

# have_python FOLDER ARGUMENT...: have FOLDER/bin/python3.13t, configured so.
have_python() {
    [ ! -x "$1/bin/python3.13t" ] || return 0
    local missing
    missing=$(missing_packages)
    [ -z "$missing" ] || install_packages $missing
    rm -rf "$1"
    mkdir -p "$1"
    fetch_source "$1"
    echo "building $1/bin/python3.13t"
    (configure_and_make "$@") >"$1/build.log" 2>&1 ||
        { tail -20 "$1/build.log" >&2; exit 1; }
    rm -rf "$1/src" "$1/apt"
}
