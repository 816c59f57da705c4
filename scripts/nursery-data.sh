#!/bin/sh
# Fetch the ten real texts that the nursery's models are trained on, as plain UTF-8. The shipped family
# learns from gcide, wordnet, foldoc and kjv; anarchism, fortunes and perldoc are for the test part of
# the population alone, vim, sqlite and handbuch (German) for the confirmation alone.
#
#   scripts/nursery-data.sh [DIRECTORY]        (default: target/nursery-data)
#
# The texts come from Debian packages: they are stable, signed, small and freely licensed (see
# models/README.md). Nothing is installed: packages are fetched by `apt-get download`, unpacked
# below DIRECTORY and read there. Needs apt-get, dpkg-deb, gzip and python3; no root.
set -eu

directory=${1:-target/nursery-data}
packages="bible-kjv-text dict-foldoc dict-gcide wordnet-base anarchism fortunes perl-doc
vim-runtime sqlite3-doc manpages-de"
here=$(cd "$(dirname "$0")" && pwd)

mkdir -p "$directory/packages" "$directory/unpacked"
directory=$(cd "$directory" && pwd)

for package in $packages; do
    found=$(find "$directory/packages" -name "${package}_*.deb" | head -n 1)
    if [ -z "$found" ]; then
        (cd "$directory/packages" && apt-get download "$package")
        found=$(find "$directory/packages" -name "${package}_*.deb" | head -n 1)
    fi
    dpkg-deb -x "$found" "$directory/unpacked"
done

python3 "$here/nursery_data.py" "$directory/unpacked" "$directory"
(cd "$directory" && sha256sum gcide.txt wordnet.txt foldoc.txt kjv.txt anarchism.txt fortunes.txt perldoc.txt \
    vim.txt sqlite.txt handbuch.txt)
