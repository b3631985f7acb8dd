# shellcheck shell=sh
# What the example agents share. Each of them begins with: . "${0%/*}/lib.sh"
#
# They need a POSIX shell and what every Linux and macOS has: find, awk, sed, sort, grep, wc, cksum, gzip.
# An agent reads only below $AGENTOS_FOLDER, which becomes its working directory, and writes only below $AGENTOS_AGENT_DATA.
set -eu
LC_ALL=C # bytes are bytes: the same result everywhere
export LC_ALL
unset CDPATH
umask 077

data=${AGENTOS_AGENT_DATA:?is set by agentos}
newline='
'
export newline

# For awk programs: json(s) is a string of JSON. What is not UTF-8 becomes U+FFFD.
# shellcheck disable=SC2016
json_awk='
function json_begin(   i) {
    for (i = 1; i < 256; i++) json_code[sprintf("%c", i)] = i
    json_bytes = (length("\303\251") == 2) # else this awk counts characters, and those are whole
    json_ready = 1
}
function json_tail(s, i, n,   k, c) { # are the n bytes from i on the rest of a character?
    for (k = 0; k < n; k++) {
        c = json_code[substr(s, i + k, 1)] + 0
        if (c < 128 || c > 191) return 0
    }
    return 1
}
function json(s,   i, n, c, code, second, more, out) {
    if (!json_ready) json_begin()
    n = length(s)
    for (i = 1; i <= n; i++) {
        c = substr(s, i, 1)
        code = json_code[c] + 0
        if (c == "\\" || c == "\"") out = out "\\" c
        else if (code > 0 && code < 32) out = out sprintf("\\u%04x", code)
        else if (code < 128 || !json_bytes) out = out c
        else {
            second = json_code[substr(s, i + 1, 1)] + 0
            more = code < 194 ? 0 : code < 224 ? 1 : code < 240 ? 2 : code < 245 ? 3 : 0
            if (code == 224 && second < 160 || code == 237 && second > 159 || code == 240 && second < 144 || code == 244 && second > 143) more = 0
            if (more && json_tail(s, i + 1, more)) {
                out = out substr(s, i, more + 1)
                i += more
            } else out = out "\\ufffd"
        }
    }
    return "\"" out "\""
}
'

# object KEY VALUE...: a JSON object on one line. A value is text, or what it is when its key ends in #.
# shellcheck disable=SC2016
object() {
    awk "$json_awk"'BEGIN {
        for (i = 1; i < ARGC; i += 2) {
            key = ARGV[i]
            value = ARGV[i + 1]
            if (key ~ /#$/) key = substr(key, 1, length(key) - 1)
            else value = json(value)
            printf "%s%s:%s", (i > 1 ? "," : "{"), json(key), value
        }
        print "}"
    }' "$@"
}

# log LEVEL TEXT [KEY VALUE...]: a line of the log.
log() {
    log_level=$1 log_text=$2
    shift 2
    object level "$log_level" msg "$log_text" "$@" >&2
}

# fail TEXT [KEY VALUE...]: a line that says why, and the end.
fail() {
    log error "$@"
    exit 1
}

# number NAME VALUE LOW HIGH: fails unless the value is a whole number within bounds.
number() {
    case $2 in '' | *[!0-9]* | ??????????*) fail "$1 must be a whole number from $3 to $4" given "$2" ;; esac
    { [ "$2" -ge "$3" ] && [ "$2" -le "$4" ]; } || fail "$1 must be a whole number from $3 to $4" given "$2"
}

# resolve DIR: sets real to where it is, symbolic links followed. The dot saves line breaks at the end of a name.
resolve() {
    real=$(cd -P -- "$1" 2>/dev/null && pwd -P && echo .) || return 1
    real=${real%??}
    [ "$real" != / ] || real=
}

resolve "$data" || fail 'the work folder is not there' folder "$data"
data=$real
resolve "${AGENTOS_FOLDER:-.}" || fail 'the folder to read is not there: set AGENTOS_FOLDER' folder "${AGENTOS_FOLDER:-.}"
root=$real
cd -P -- "$root/"

# inside DIR: is it the folder or below it?
inside() {
    resolve "$1" || return 1
    case $real/ in "$root"/*) ;; *) return 1 ;; esac
}

# use_file: sets path, as it was asked for, and file, which begins with ./ and is safe to give to any command, from the
# argument "path"; size is in bytes.
use_file() {
    path=${AGENTOS_ARG_PATH-}
    [ -n "$path" ] || fail 'no file is named: give the arguments {"path": "FILE"}'
    case $path in /*) file=$path ;; *) file=./$path ;; esac
    if [ -L "$file" ] || [ ! -f "$file" ]; then fail 'there is no such file any more' path "$path"; fi
    inside "${file%/*}/" || fail 'the file is outside of the folder' path "$path"
    file=.${real#"$root"}/${file##*/}
    [ -r "$file" ] || fail 'no permission to read the file' path "$path"
    size=$(($(wc -c <"$file")))
    [ "$size" -le 8388608 ] || fail 'the file is larger than 8 MiB' path "$path" size# "$size"
}

# use_dir: sets path and dir in the same way: the folder itself when no path is given.
use_dir() {
    path=${AGENTOS_ARG_PATH:-.}
    case $path in /*) dir=$path ;; *) dir=./$path ;; esac
    [ -d "$dir" ] || fail 'there is no such folder' path "$path"
    inside "$dir" || fail 'it is outside of the folder' path "$path"
    dir=.${real#"$root"}
    export path # for awk, where a name given with -v would lose its backslashes
}

# is_text: does the file look like text? Nothing in its first 4 KiB is a NUL.
is_text() {
    [ "$(dd if="$file" bs=4096 count=1 2>/dev/null | tr -d '\000' | wc -c)" -eq "$(dd if="$file" bs=4096 count=1 2>/dev/null | wc -c)" ]
}

# files DIR [FIND EXPRESSION...]: find over the ordinary files of at most 8 MiB, without hidden folders, those that
# programs fill, and our own data.
files() {
    files_dir=$1
    shift
    ours=${data%/*/*} # data is DATA/work/AGENT
    [ "$ours" != "$root" ] || ours=${data%/*}
    case $ours in "$root"/*) ours=.${ours#"$root"} ;; esac
    find "$files_dir" \
        \( -type d \( -name '.?*' -o -name node_modules -o -path "$ours" \) ! -path "$files_dir" -prune \) -o \
        \( -type f ! -name '.?*' -size -16385 "$@" \)
}

# sha256: the checksum of standard input, by what there is.
if command -v sha256sum >/dev/null 2>&1; then
    sha256() { sha256sum | cut -c 1-64; }
elif command -v shasum >/dev/null 2>&1; then
    sha256() { shasum -a 256 | cut -c 1-64; }
else
    sha256() { openssl dgst -sha256 | sed 's/.*[ =]//'; }
fi

# key TEXT: a short name for a file of ours that stands for the text.
key() { printf %s "$1" | cksum | tr -s ' \t' '-' | sed 's/-*$//'; }

# record LINE: keeps a result for the report. There is a file for each 500 jobs and only the three newest stay.
record() {
    printf '%s\n' "$1" >>"$data/record.$((AGENTOS_JOB_ID / 500))"
    keep_newest 3 record.
}

# keep_newest COUNT PREFIX: removes older files of ours.
keep_newest() {
    keep=$1 prefix=$2
    set -- "$data/$prefix"*
    [ $# -gt "$keep" ] || return 0
    # shellcheck disable=SC2012 # our own names: no line breaks in them
    ls -td "$@" | sed "1,${keep}d" | while IFS= read -r old; do rm -f "$old"; done
}

# finish KEY VALUE...: the result, which is also kept for the report.
finish() {
    result=$(object "$@")
    record "$result"
    printf '%s\n' "$result"
}
