#!/usr/bin/env bash
# `npm run container:test`: builds the image by the Dockerfile, with stand-ins for the two base images, and runs it as an
# orchestrator does: any user, read-only root, no capabilities. Needs root, podman (Debian's packages podman and crun) and
# Debian's mirror; takes about two minutes. Prints `ok` for each statement, and the sizes. What is made lies in .container,
# and the packages there are used again.
#
# The stand-ins: no registry is asked. gcr.io/distroless/nodejs24-debian13 is made from the Debian packages that its
# sources name (github.com/GoogleContainerTools/distroless: static, base, cc), its users, and the Node of node_modules;
# node:24-slim from Debian's shell and tools, this Node, and the npm that runs this script.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
project=$PWD
work=$project/.container

if [ "$(id -u)" -ne 0 ] || ! command -v podman crun >/dev/null; then
  echo 'npm run container:test needs root, and podman: apt-get install --no-install-recommends podman crun' >&2
  exit 2
fi
# Engines write there, and some virtual machines don't let them: then in a mount namespace of this script's own.
if [ ! -w /sys/fs/cgroup ] && [ -z "${CONTAINER_TEST_UNSHARED:-}" ]; then
  CONTAINER_TEST_UNSHARED=yes exec unshare --mount bash "$0" "$@"
fi
if [ -n "${CONTAINER_TEST_UNSHARED:-}" ]; then
  while umount --lazy /sys/fs/cgroup 2>/dev/null; do :; done
  mount -t cgroup2 none /sys/fs/cgroup
fi

# Without systemd, podman complains at each container that it can't time its health checks: hence `fatal`.
engine() {
  podman --root "$work/store" --runroot "$work/run" --storage-driver "${CONTAINER_TEST_DRIVER:-overlay}" --cgroup-manager cgroupfs \
    --events-backend file --log-level fatal "$@"
}
failed=0
ok() { printf 'ok %s\n' "$1"; }
not_ok() {
  printf 'not ok %s\n' "$1"
  failed=$((failed + 1))
}
# is DESCRIPTION ACTUAL EXPECTED
is() {
  if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1"; printf '  expected: %s\n  actual:   %s\n' "$3" "$2"; fi
}
# has DESCRIPTION TEXT PATTERN
has() {
  if grep -qE -- "$3" <<<"$2"; then ok "$1"; else not_ok "$1"; printf '  no %s in:\n%s\n' "$3" "$2"; fi
}
mebibytes() { awk '{ printf "%.1f MiB", $1 / 1048576 }'; }

finish() {
  engine rm --all --force --time 0 >/dev/null 2>&1 || true
  # Packages may be used again; images are made anew.
  engine system reset --force >/dev/null 2>&1 || true
  rm -rf "$work/store" "$work/run" "$work/context" "$work/base" "$work/builder"
}
trap finish EXIT
rm -rf "$work/store" "$work/run" "$work/base" "$work/builder"
mkdir -p "$work/base" "$work/builder"

# Unpacks packages of Debian 13. unpack NAME how to get them
unpack() {
  local into=$work/$1 suite=trixie folder=$work/packages-$1 package
  if [ ! -e "$folder/complete" ]; then
    rm -rf "$folder"
    mkdir -p "$folder"
    # shellcheck source=test/other-suite.sh
    source test/other-suite.sh
    apt_get update
    (cd "$folder" && apt_get "${@:2}")
    mv "$folder"/apt/archives/*.deb "$folder" 2>/dev/null || true
    rm -r "$folder/apt"
    touch "$folder/complete"
  fi
  for package in "$folder"/*.deb; do dpkg -x "$package" "$into"; done
  install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$into/etc/ssl/certs/ca-certificates.crt"
}

echo '# the stand-in for gcr.io/distroless/nodejs24-debian13:nonroot'
unpack base download base-files netbase tzdata tzdata-legacy media-types libc6 libssl3t64 libzstd1 zlib1g libgomp1 \
  libstdc++6 libgcc-s1 gcc-14-base
install -D node_modules/node/bin/node "$work/base/nodejs/bin/node"
printf '%s\n' root:x:0:0:root:/root:/sbin/nologin nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin \
  nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin > "$work/base/etc/passwd"
printf '%s\n' root:x:0: nobody:x:65534: tty:x:5: staff:x:50: nonroot:x:65532: > "$work/base/etc/group"
install -d -m 1777 "$work/base/tmp"
install -d -o 65532 -g 65532 -m 700 "$work/base/home/nonroot"
tar -C "$work/base" -c . | engine import --quiet --change USER=65532 --change WORKDIR=/home/nonroot \
  --change 'ENTRYPOINT ["/nodejs/bin/node"]' \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  --change 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' - localhost/base >/dev/null

echo '# the stand-in for node:24-slim'
unpack builder -y --download-only install dash coreutils base-files libstdc++6
npm_folder=$(npm root --global)/npm
install -D node_modules/node/bin/node "$work/builder/usr/local/bin/node"
mkdir -p "$work/builder/usr/local/lib/node_modules"
cp -rL "$npm_folder" "$work/builder/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/builder/usr/local/bin/npm"
install -d -m 1777 "$work/builder/tmp"
tar -C "$work/builder" -c . | engine import --quiet \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' \
  --change "ENV npm_config_registry=$(npm config get registry)" - localhost/builder >/dev/null

echo '# podman build'
engine build --layers=false --isolation chroot --network host --format docker --pull=never \
  --build-arg BUILD_IMAGE=localhost/builder --build-arg BASE_IMAGE=localhost/base --tag localhost/proxy . >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log"; exit 1; }
ok 'the Dockerfile builds'

total=$(engine image inspect --format '{{.Size}}' localhost/proxy)
base=$(engine image inspect --format '{{.Size}}' localhost/base)
printf '# size: %s unpacked, of which %s are the base\n' "$(mebibytes <<<"$total")" "$(mebibytes <<<"$base")"
printf '# packed with gzip: %s\n' "$(engine save localhost/proxy | gzip -6 | wc -c | mebibytes)"
if [ "$total" -le 200000000 ]; then ok 'at most 200 MB'; else not_ok "at most 200 MB: $total"; fi

image=$(engine image mount localhost/proxy)
is 'nothing of npm, no shell' \
  "$(find "$image" \( -name npm -o -name npx -o -name sh -o -name bash -o -name busybox \) -not -type d)" ''
is 'every file of the program is root’s' "$(find "$image/app" -not -user root -o -not -group root)" ''
is 'no file of the program is to be written by others' "$(find "$image/app" -not -type l -perm /022)" ''
is 'all files of the program are to be read by everyone' "$(find "$image/app" -not -perm -444)" ''
is 'no source maps' "$(find "$image/app" -name '*.map' | head -n 3)" ''
printf '# node_modules %s, dist %s\n' "$(du -sb "$image/app/node_modules" | mebibytes)" \
  "$(du -sb "$image/app/dist" | mebibytes)"
engine image unmount localhost/proxy >/dev/null
is 'user' "$(engine image inspect --format '{{.User}}' localhost/proxy)" 65532:65532
has 'health check' "$(engine image inspect --format '{{.HealthCheck}}' localhost/proxy)" 'CMD gcp-dicomweb-proxy health'

# As OpenShift does: a user that no one knows, in group 0.
run=(run --network host --cgroups=disabled --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 --cap-drop all
  --security-opt no-new-privileges --user 1234567890:0 --read-only --read-only-tmpfs=false)
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
is '--version, as any user, and no warning' "$(engine "${run[@]}" --rm localhost/proxy --version 2>&1)" "$version"
is '--version, as the image’s own user' \
  "$(engine "${run[@]}" --user 65532 --rm localhost/proxy --version 2>&1)" "$version"
# Engines set HOME; without it, Node asks the list of users, which doesn't have this one.
is '--version, without HOME' "$(engine "${run[@]}" --unsetenv HOME --rm localhost/proxy --version 2>&1)" "$version"

status=0
said=$(engine "${run[@]}" --rm localhost/proxy 2>&1) || status=$?
is 'without a configuration: exit code 2' "$status" 2
is 'without a configuration: one line' "$(wc -l <<<"$said")" 1
has 'without a configuration: which is missing' "$said" "^The configuration can't be used: /config: does not exist; .*mount"
printf '#   %s\n' "$said"

has 'the demo, with a /tmp' "$(engine "${run[@]}" --tmpfs /tmp --rm localhost/proxy demo --once 2>&1)" '^Every step worked\.'

mkdir -p "$work/context/config"
cat > "$work/context/config/orthanc.json" <<'CONFIGURATION'
{
  "GoogleCloudPlatform": { "Accounts": { "my-google": {
    "Project": "p", "Location": "europe-west4", "Dataset": "d", "DicomStore": "s",
    "ServiceAccountFile": "/config/missing" } } },
  "DicomWebProxy": { "Listen": "127.0.0.1:18043", "AdminListen": "0.0.0.0:18044", "AllowAnonymous": true }
}
CONFIGURATION
container=$(engine "${run[@]}" --detach --volume "$work/context/config:/config:ro" localhost/proxy)
for _ in $(seq 100); do
  if grep -q '"msg":"admin listener"' <<<"$(engine logs "$container" 2>&1)"; then break; fi
  sleep 0.2
done
if engine healthcheck run "$container" >/dev/null; then ok 'healthy'; else not_ok 'healthy'; fi
is 'alive, by the command in the container' "$(engine exec "$container" gcp-dicomweb-proxy health 2>&1)" alive
status=0
said=$(engine exec "$container" gcp-dicomweb-proxy health --ready 2>&1) || status=$?
is 'not ready: exit code 1' "$status" 1
has 'not ready: why' "$said" 'my-google: Credential file /config/missing does not exist'
echo '{' > "$work/context/config/broken.json"
if engine healthcheck run "$container" >/dev/null; then ok 'healthy, with a broken file'; else not_ok 'healthy, with a broken file'; fi
rm "$work/context/config/broken.json"
is 'nothing on standard error, or not JSON' "$(engine logs "$container" 2>&1 | grep -v '^{' || true)" ''
engine stop --time 20 "$container" >/dev/null
is 'SIGTERM to the first process ends it in order' "$(engine inspect --format '{{.State.ExitCode}}' "$container")" 143

printf '%s failed\n' "$failed"
[ "$failed" -eq 0 ]
