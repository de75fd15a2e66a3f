#!/bin/sh
# Makes .venv and installs into it what requirements.lock pins; `make setup` calls it. PYTHON names the interpreter.
#   sh tools/venv.sh python   only prints the interpreter that it would take
set -eu
cd "$(dirname "$0")/.."
VERSIONS="3.14 3.13 3.12 3.11"  # those of `requires-python` that requirements.lock has wheels for: `make wheels`
BIN=.venv/bin
export UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}"  # pip and uv read the same setting under two names

fail() {
    echo "make: $1" >&2
    exit 1
}

# "3.12 whole" of an interpreter, "3.12 bare" where it lacks what `-m venv` needs, nothing where it does not run
look() {
    "$1" -c 'import sys
try:
    import ensurepip, venv
    whole = "whole"
except ImportError:
    whole = "bare"
print("%d.%d %s" % (sys.version_info[0], sys.version_info[1], whole))' 2>/dev/null || :
}

suitable() {
    case " $VERSIONS " in *" $1 "*) ;; *) return 1 ;; esac
}

# PATH without .venv: what stands there cannot make it anew
outside() {
    here=$(pwd -P)/$BIN kept=""
    IFS=:
    for folder in $PATH; do
        [ "$folder" = "$here" ] || kept="${kept:+$kept:}$folder"
    done
    unset IFS
    echo "$kept"
}

# "3.12 whole /usr/bin/python3.12" of every interpreter on PATH that runs, the newest first. Shims stand before the
# interpreters of the system and fail where the version that they stand for is absent, so the first of a name is not all.
interpreters() {
    for name in $(printf 'python%s ' $VERSIONS) python3; do
        IFS=:
        for folder in $PATH; do
            [ -x "$folder/$name" ] || continue
            seen=$(look "$folder/$name")
            [ -z "$seen" ] || echo "$seen $folder/$name"
        done
        unset IFS
    done
}

# whether a local folder of UV_FIND_LINKS holds the lock's torch for Python $1
holds_torch() {
    torch=$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' requirements.lock)
    for links in $(echo "$UV_FIND_LINKS" | tr ',' ' '); do
        for wheel in "${links#file://}/torch-$torch"[-+]*"cp$(echo "$1" | tr -d .)-"*.whl; do
            [ ! -e "$wheel" ] || return 0
        done
    done
    return 1
}

named() {
    seen=$(look "$PYTHON")
    [ -n "$seen" ] || fail "PYTHON=$PYTHON does not run; give the path of a Python of 3.11 to 3.14"
    suitable "${seen% *}" || fail "PYTHON=$PYTHON is Python ${seen% *}; give one of 3.11 to 3.14"
    [ "${seen#* }" = whole ] || [ -n "$uv" ] || without_venv "${seen% *}" "$PYTHON"
    command -v "$PYTHON"
}

without_venv() {
    fail "Python $1 ($2) comes without venv; run \`sudo apt install python$1-venv\` (Debian, Ubuntu) or install uv"
}

# The newest that can make an environment; before it one whose torch lies in a local folder, as that is what it lies
# there for: from an index, torch is gigabytes.
newest() {
    first="" bare="" other=""
    found=$(interpreters)
    while read -r version whole path; do
        if [ -z "$version" ]; then
            continue
        elif ! suitable "$version"; then
            other="${other:+$other, }$version ($path)"
        elif [ "$whole" = bare ] && [ -z "$uv" ]; then
            bare=${bare:-$version $path}
        elif holds_torch "$version"; then
            first=$path
            break
        else
            first=${first:-$path}
        fi
    done <<EOF
$found
EOF
    [ -n "$first" ] || [ -z "$bare" ] || without_venv "${bare%% *}" "${bare#* }"
    [ -n "$first" ] || fail "no Python of 3.11 to 3.14 on PATH, only ${other:-none that runs}; install one \
or name one: make PYTHON=/path/to/python3.13"
    echo "$first"
}

PATH=$(outside)
uv=$(command -v uv || :)
[ -z "$uv" ] || "$uv" --version >/dev/null 2>&1 || uv=""
if [ "${1:-}" = python ]; then
    if [ -n "${PYTHON:-}" ]; then named; else newest; fi
    exit
fi

version=$(look $BIN/python)
version=${version% *}
if [ -n "${PYTHON:-}" ]; then
    python=$(named)
    wanted=$(look "$python")
    [ "$version" = "${wanted% *}" ] || version=""
elif ! suitable "$version"; then
    python=$(newest)
    version=""
fi
if [ -z "$version" ]; then
    version=$(look "$python")
    echo "setting up .venv with Python ${version% *}, $python (once, about a minute) ..."
    rm -rf .venv
    case $version in
    *whole) "$python" -m venv .venv ;;
    *) "$uv" venv --quiet --seed --python "$python" .venv ;;
    esac
else
    echo "bringing .venv up to date with requirements.lock ..."
fi

# What the lock holds is checked against its hashes, but for torch and what its CUDA build brings: builds of one version
# differ from index to index (CPU, CUDA), and so do their hashes. Everything else comes first, without dependencies: the
# lock is complete, and torchattacks' stale pins stay out. Then nothing but builds of torch is left for the second step.
awk '/^[^ ]/ { taken = !/^(torch|triton|nvidia-.*|cuda-.*)==/ } taken' requirements.lock > .venv/rest.txt
sed -n 's/ *\\$//; /^[^ #]/p' requirements.lock > .venv/pins.txt
if [ -z "$uv" ]; then
    awk '/^[^ ]/ { taken = /^uv==/ } taken' requirements.lock > .venv/uv.txt
    $BIN/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement .venv/uv.txt
    uv=$BIN/uv
fi
add() {
    "$uv" pip install --quiet --compile-bytecode --python $BIN/python "$@"
}
add --no-deps --require-hashes --requirement .venv/rest.txt
# `auto` takes a build without CUDA where there is no NVIDIA GPU. Where a local folder holds the wheel, or PyTorch's own
# index is out of reach, torch comes from where the rest comes from.
version=$(look $BIN/python)
if holds_torch "${version% *}" || ! add --torch-backend auto --constraint .venv/pins.txt torch 2>/dev/null; then
    add --constraint .venv/pins.txt torch
fi
add --no-deps --no-build-isolation --editable .
