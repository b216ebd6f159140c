# What scripts that need Debian packages share; to be sourced by bash.

announce() {
    printf '== %s\n' "$*"
}

# Runs a command and shows what it prints only if it fails.
quietly() {
    local output status=0
    output=$(mktemp)
    "$@" >"$output" 2>&1 || status=$?
    if ((status != 0)); then
        cat "$output"
        printf '== failed: %s\n' "$*"
    fi
    rm -f "$output"
    return "$status"
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

# Installs Debian packages, if that is possible here.
install_packages() {
    command -v apt-get >/dev/null && as_root true 2>/dev/null || return 1
    announce "installing $*"
    quietly as_root apt-get update &&
        quietly as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install --yes --no-install-recommends "$@"
}

# Installs these packages, or says that they are missing.
need_packages() {
    (($# == 0)) || install_packages "$@" ||
        announce "not installed, because apt-get cannot be used here: $*"
}
