# again COMMAND...: runs what loads something from elsewhere, up to three times: a registry may be out of reach for a moment.
again() {
	for pause in 2 10; do
		"$@" && return
		echo "$1 failed; again in $pause s" >&2
		sleep "$pause"
	done
	"$@"
}
