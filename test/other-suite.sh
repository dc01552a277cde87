# Sourced: defines `apt_get`, which brings packages of another Debian than this machine's from the mirror that its apt
# has. Nothing is installed, and root is not needed. To that apt nothing is installed, so it brings every library, too.
#
# $suite: the other Debian. $folder: where lists and packages go, in `apt`.
mirror=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list 2>/dev/null |
  grep -E '^(URIs:|deb )' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 || true)
if [ -z "$mirror" ]; then
  echo 'apt names no Debian mirror.' >&2
  exit 1
fi
mkdir -p "$folder"/apt/{lists,archives}/partial
: > "$folder/apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$folder/apt/sources.list"

# Mirrors fail now and then: three tries, then it is an error.
apt_get() {
  try_apt_get "$@" || { sleep 5; try_apt_get "$@"; } || { sleep 10; try_apt_get "$@"; }
}
try_apt_get() {
  timeout 120 apt-get -qq -o Dir::State::Lists="$folder/apt/lists" -o Dir::State::status="$folder/apt/status" \
    -o Dir::Cache="$folder/apt" -o Dir::Etc::SourceList="$folder/apt/sources.list" -o Dir::Etc::SourceParts=- \
    -o Dir::Etc::Parts=- -o APT::Install-Recommends=0 -o APT::Sandbox::User= -o Acquire::Check-Valid-Until=0 \
    -o Acquire::Check-Date=0 -o Acquire::Retries=3 -o Acquire::http::Timeout=30 "$@"
}
