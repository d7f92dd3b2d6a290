#!/bin/sh
# Makes certificates for a trial: trial-ca.sh FOLDER BROKER-HOST DEVICE...
#
# In FOLDER: ca.crt (of broker and devices), operators-ca.crt, broker.crt,
# operator.crt, and NAME.crt for each device, each with its .key. Again in the
# same folder it adds devices. The keys of both CAs lie there too: for a real
# fleet keep them elsewhere.
set -eu
[ $# -ge 2 ] || { echo "usage: trial-ca.sh FOLDER BROKER-HOST [DEVICE...]" >&2; exit 2; }
folder=$1 host=$2
shift 2
umask 077
mkdir -p "$folder"
cd "$folder"

# authority FILE NAME
authority() {
	[ ! -e "$1.crt" ] || return 0
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$2" \
		-addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
		-keyout "$1.key" -out "$1.crt" 2>/dev/null
}

# certificate FILE NAME AUTHORITY USE [MORE]
certificate() {
	[ ! -e "$1.crt" ] || return 0
	printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n%s\n' "$4" "${5:-}" >"$1.ext"
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null
	openssl x509 -req -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -CAcreateserial -days 825 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
	rm "$1.csr" "$1.ext"
}

case $host in
*[!0-9.]*) name="DNS:$host" ;;
*) name="IP:$host" ;;
esac
authority ca "trial CA of broker and devices"
authority operators-ca "trial CA of operators"
certificate broker "$host" ca serverAuth "subjectAltName=$name"
certificate operator operator operators-ca clientAuth
for device; do
	case $device in
	"" | *[!A-Za-z0-9._-]*) echo "the name of a device is letters, digits, dots, dashes and underscores: $device" >&2; exit 2 ;;
	ca | operators-ca | broker | operator) echo "the name $device is taken" >&2; exit 2 ;;
	esac
	certificate "$device" "$device" ca clientAuth
done
