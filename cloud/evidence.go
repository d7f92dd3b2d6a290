package cloud

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"syscall"

	"nearside/agent/openai/fault"
)

// evidence is what the end of a call says of the network.
type evidence int

const (
	nothing     evidence = iota // a name that does not exist, a certificate that ran out, no descriptor left here
	answered                    // the target did
	somebody                    // somebody did, perhaps a portal
	intercepted                 // somebody who is not the target did
	silence                     // nobody did
	noNames                     // nobody who knows names
	noRoute                     // the kernel knows no way
)

// evidence reads the end of a call; stood is whether a connection did. Over
// TLS it is the target that answers, whatever it says. Over plain HTTP only an
// answer that makes sense is taken as the target's, since a portal answers
// everything.
func (m *member) evidence(err error, stood bool) evidence {
	if err == nil {
		return answered
	}
	var status *fault.Error
	var elsewhere *fault.Redirect
	stood = stood || errors.Is(err, fault.ErrBroken)
	isStatus, isRedirect := errors.As(err, &status), errors.As(err, &elsewhere)
	switch {
	case m.secure && (stood || isStatus || isRedirect):
		return answered
	case isRedirect && elsewhere.Host != "", isStatus && status.Status == http.StatusNetworkAuthenticationRequired:
		return intercepted
	case stood, isStatus, isRedirect, refused(err):
		return somebody
	}
	return m.unmet(err)
}

// refused tells whether somebody said no before anything stood.
func refused(err error) bool {
	var op *net.OpError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) ||
		errors.As(err, &op) && op.Op == "remote error" // an alert of its TLS
}

// unmet reads the end of a call that came to no connection.
func (m *member) unmet(err error) evidence {
	for _, no := range []error{syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, no) {
			return noRoute
		}
	}
	if ranShort(err) {
		return nothing
	}
	var name *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &cert):
		return m.foreign(cert)
	case errors.As(err, &record):
		return intercepted
	case errors.As(err, &name) && name.IsNotFound:
		return nothing
	case name != nil:
		return noNames
	}
	return silence
}

// foreign reads a certificate that is not trusted. One that has the target's
// name and has run out, or has not begun, speaks of a clock, not of a portal.
func (m *member) foreign(fault *tls.CertificateVerificationError) evidence {
	var out x509.CertificateInvalidError
	certs := fault.UnverifiedCertificates
	if errors.As(fault, &out) && out.Reason == x509.Expired && len(certs) > 0 && certs[0].VerifyHostname(m.host) == nil {
		return nothing
	}
	return intercepted
}
