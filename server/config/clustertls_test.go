package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates and keeps them in files.
type authority struct {
	dir  string
	file string // its own certificate
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.file, _, a.cert, a.key = a.issue(t, "authority", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// leaf makes a certificate for a host, for both ends of a connection.
func (a *authority) leaf(t *testing.T, host string) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile, _, _ = a.issue(t, host, &x509.Certificate{
		DNSNames:    []string{host},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return certFile, keyFile
}

func (a *authority) issue(t *testing.T, name string, template *x509.Certificate) (certFile, keyFile string, cert *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", keyDER)
	return certFile, keyFile, cert, key
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestClusterTLS connects to a server that asks for a certificate, by each way to configure it.
func TestClusterTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	serverCert, serverKey := ours.leaf(t, "redis.example")
	clientCert, clientKey := ours.leaf(t, "node.example")
	foreignCert, foreignKey := theirs.leaf(t, "foreign.example")
	pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(ours.cert)
	server := &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert}

	good := Cluster{TLSCAFile: ours.file, TLSCertFile: clientCert, TLSKeyFile: clientKey}
	with := func(change func(*Cluster)) Cluster {
		c := good
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		cluster Cluster
		host    string
		want    string // in the error; empty: connected
	}{
		"by the host":               {good, "redis.example", ""},
		"another host":              {good, "10.0.0.1", "doesn't contain any IP SANs"},
		"another host, named":       {with(func(c *Cluster) { c.TLSServerName = "redis.example" }), "10.0.0.1", ""},
		"the wrong name":            {with(func(c *Cluster) { c.TLSServerName = "x.example" }), "redis.example", "not x.example"},
		"another authority":         {with(func(c *Cluster) { c.TLSCAFile = theirs.file }), "redis.example", "unknown authority"},
		"the system's authorities":  {with(func(c *Cluster) { c.TLSCAFile = "" }), "redis.example", "unknown authority"},
		"any certificate":           {with(func(c *Cluster) { c.TLSCAFile, c.TLSInsecureSkipVerify = "", true }), "10.0.0.1", ""},
		"no certificate of its own": {with(func(c *Cluster) { c.TLSCertFile, c.TLSKeyFile = "", "" }), "redis.example", "certificate"},
		"a foreign certificate":     {with(func(c *Cluster) { c.TLSCertFile, c.TLSKeyFile = foreignCert, foreignKey }), "redis.example", "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := Default()
			config.Cluster = c.cluster
			client, err := config.ClusterTLS(c.host)
			if err != nil {
				t.Fatal(err)
			}
			switch err := connect(t, client, server); {
			case c.want == "" && err != nil:
				t.Errorf("got %v, want a connection", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// connect shakes hands and reads a byte, since in TLS 1.3 a refused client certificate shows only then.
func connect(t *testing.T, client, server *tls.Config) error {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = tls.Server(conn, server).Write([]byte{1})
		_ = conn.Close()
	}()
	defer func() {
		_ = listener.Close()
		<-done
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = io.ReadFull(tls.Client(conn, client), make([]byte, 1))
	return err
}

// TestClusterTLSFiles gives files that are not what they should be; their content is not in the error.
func TestClusterTLSFiles(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.leaf(t, "a.example")
	_, otherKey := a.leaf(t, "b.example")
	text := filepath.Join(a.dir, "text.pem")
	if err := os.WriteFile(text, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(a.dir, "none.pem")
	for name, c := range map[string]struct {
		cluster   Cluster
		key, want string
	}{
		"good":                        {Cluster{TLSCAFile: a.file, TLSCertFile: cert, TLSKeyFile: key}, "", ""},
		"no authorities":              {Cluster{TLSCAFile: none}, "cluster.tls-ca-file", "no such file or directory"},
		"authorities in another form": {Cluster{TLSCAFile: text}, "cluster.tls-ca-file", "there is no certificate in the file"},
		"a directory":                 {Cluster{TLSCAFile: a.dir}, "cluster.tls-ca-file", "is a directory"},
		"certificate alone":           {Cluster{TLSCertFile: cert}, "cluster.tls-cert-file", "cluster.tls-cert-file and cluster.tls-key-file belong together"},
		"key alone":                   {Cluster{TLSKeyFile: key}, "cluster.tls-cert-file", "cluster.tls-cert-file and cluster.tls-key-file belong together"},
		"no certificate":              {Cluster{TLSCertFile: none, TLSKeyFile: key}, "cluster.tls-cert-file", "no such file or directory"},
		"no key":                      {Cluster{TLSCertFile: cert, TLSKeyFile: none}, "cluster.tls-key-file", "no such file or directory"},
		"key of another":              {Cluster{TLSCertFile: cert, TLSKeyFile: otherKey}, "cluster.tls-cert-file", "not a PEM certificate and key that belong together"},
		"certificate in another form": {Cluster{TLSCertFile: text, TLSKeyFile: key}, "cluster.tls-cert-file", "not a PEM certificate and key that belong together"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := Default()
			config.Cluster = c.cluster
			config.Cluster.Presence, config.Cluster.Bus = PresenceAuto, BusAuto
			e, ok := errors.AsType[*Error](validateClusterTLS(&config))
			switch {
			case c.want == "" && ok:
				t.Fatalf("got %v, want none", e)
			case c.want != "" && (!ok || e.Key != c.key || e.Problem != c.want):
				t.Fatalf("got %v, want %s: %s", e, c.key, c.want)
			}
			if _, err := config.ClusterTLS("h"); (err != nil) != (c.want != "") && !strings.HasSuffix(name, "alone") || err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("ClusterTLS: got %v", err)
			}
		})
	}
}

// validateClusterTLS is the rule alone: the other settings of the configuration are not filled in.
func validateClusterTLS(c *Config) error {
	v := &validator{c: c, failed: map[string]bool{}}
	v.clusterTLS()
	return v.errs
}
