package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
)

var (
	errNoCertificate = errors.New("there is no certificate in the file")
	errBadKeyPair    = errors.New("not a PEM certificate and key that belong together")
)

// ClusterTLS is how Redis and RabbitMQ are connected to by TLS. host is the name that the server's certificate must have,
// unless cluster.tls-server-name says otherwise; it may be empty for clients that fill it in for each connection. The files
// are read anew by each call.
func (c *Config) ClusterTLS(host string) (*tls.Config, error) {
	cluster := &c.Cluster
	t := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         host,
		InsecureSkipVerify: cluster.TLSInsecureSkipVerify,
	}
	if cluster.TLSServerName != "" {
		t.ServerName = cluster.TLSServerName
	}
	if cluster.TLSCAFile != "" {
		pool, err := readAuthorities(cluster.TLSCAFile)
		if err != nil {
			return nil, &Error{Key: "cluster.tls-ca-file", Value: cluster.TLSCAFile, Problem: err.Error()}
		}
		t.RootCAs = pool
	}
	if cluster.TLSCertFile != "" {
		pair, err := tls.LoadX509KeyPair(cluster.TLSCertFile, cluster.TLSKeyFile)
		if err != nil {
			return nil, &Error{Key: "cluster.tls-cert-file", Value: cluster.TLSCertFile, Problem: keyPairProblem(err).Error()}
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// readAuthorities reads a file of certificates.
func readAuthorities(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, reason(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errNoCertificate
	}
	return pool, nil
}

// checkKeyPair tells what is wrong with a certificate and its key, and by which of the two settings.
func checkKeyPair(cert, key string) (setting string, err error) {
	for _, f := range []struct{ setting, path string }{{"cluster.tls-cert-file", cert}, {"cluster.tls-key-file", key}} {
		if _, err := os.ReadFile(f.path); err != nil {
			return f.setting, reason(err)
		}
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		return "cluster.tls-cert-file", keyPairProblem(err)
	}
	return "", nil
}

// keyPairProblem says what a user can do something about; the errors of crypto/tls begin with their package and quote from
// the files.
func keyPairProblem(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return reason(err)
	}
	return errBadKeyPair
}
