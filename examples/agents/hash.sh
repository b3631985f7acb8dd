#!/bin/sh
# Hashes one file. Arguments: path.
. "${0%/*}/lib.sh"

use_file
sum=$(sha256 <"$file")
log info hashed path "$path"
finish sha256 "$sum" bytes# "$size" path "$path"
