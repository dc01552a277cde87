#!/usr/bin/env bash
# `npm run setup -- --orthanc SUITE`: brings the Orthanc of another Debian (trixie, sid), with its DICOMweb plugin, into
# .orthanc/SUITE, for tests with ORTHANC=.orthanc/SUITE/Orthanc. It comes from the mirror that this machine's apt has, and
# is only unpacked: nothing is installed, and root is not needed. Does nothing where it is there already.
set -Eeuo pipefail
suite=${1:?Debian suite}
folder=${2:-$PWD/.orthanc/$suite}

if [ ! -x "$folder/Orthanc" ]; then
  rm -rf "$folder"
  mkdir -p "$folder/root"
  source "$(dirname "${BASH_SOURCE[0]}")/other-suite.sh"
  apt_get update
  apt_get -y --download-only install orthanc orthanc-dicomweb
  for package in "$folder"/apt/archives/*.deb; do dpkg -x "$package" "$folder/root"; done
  rm -r "$folder/apt"

  root=$folder/root
  loader=$(find "$root/usr/lib" -name 'ld-linux*.so.*' | head -n 1)
  libraries=$(dirname "$loader")
  dictionary=$(dirname "$(find "$root/usr/share" -name dicom.dic | head -n 1)")
  ln -s "$(find "$root/usr/lib/orthanc" -name 'libOrthancDicomWeb.so*' | head -n 1)" "$folder/libOrthancDicomWeb.so"
  # With its own C library. exec keeps the process id, which tests signal.
  cat > "$folder/Orthanc.new" <<PROGRAM
#!/bin/sh
export DCMDICTPATH='$dictionary/dicom.dic:$dictionary/private.dic'
export OPENSSL_MODULES='$libraries/ossl-modules' GCONV_PATH='$libraries/gconv'
exec '$loader' --library-path '$libraries:$root/usr/lib' --argv0 "\$0" '$root/usr/sbin/Orthanc' "\$@"
PROGRAM
  chmod +x "$folder/Orthanc.new"
  mv "$folder/Orthanc.new" "$folder/Orthanc"
fi

plugin=$(basename "$(readlink -f "$folder/libOrthancDicomWeb.so")")
echo "$suite: $("$folder/Orthanc" --version | head -n 1 | grep -oE 'Orthanc [0-9].*'), DICOMweb plugin ${plugin#libOrthancDicomWeb.so.}"
