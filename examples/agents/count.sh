#!/bin/sh
# Counts the lines, words and bytes of one file. Arguments: path.
. "${0%/*}/lib.sh"

use_file
# shellcheck disable=SC2046 # three numbers
set -- $(wc <"$file")
log info counted lines# "$1" words# "$2" path "$path"
finish lines# "$1" words# "$2" bytes# "$3" path "$path"
