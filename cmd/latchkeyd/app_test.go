// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/luci-app/site"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// TestInstalledApp keeps the app in real browsers from a web server in the Internet. Then the server ends and the phone can
// reach nothing but the router: the app must start, and knock by either carrier.
func TestInstalledApp(t *testing.T) {
	d := start(t, sealed, "--clock", "synchronised")
	for _, browser := range []string{"chromium", "firefox", "webkit"} {
		t.Run(browser, func(t *testing.T) {
			host := serveApp(t, "neighbour", neighbour+":443")
			a := openApp(t, browser, host.trust, "https://"+neighbour+"/latchkey/")
			if version := a.do(t, "start"); version != host.version {
				t.Fatalf("the app calls itself %s, but its page is %s", version, host.version)
			}
			host.close()
			leaveAllButTheRouter(t, "phone", phone)
			for _, p := range []press{
				{"ports", "&p=20480", "message ports", phone},
				{"stun", "&u=41641", "message stun", phone},
			} {
				if browser == "webkit" && p.name == "stun" {
					continue // Debian builds it without WebRTC
				}
				if version := a.do(t, "start"); version != host.version {
					t.Fatalf("%s: the app calls itself %s, but %s was installed", p.name, version, host.version)
				}
				a.do(t, "paste https://anywhere.example/#v=1&n=home&a="+router+p.url+"&k="+phoneKey+"&d=web&i=web:tcp:8443:https:")
				opened := false
				for n := 0; n < mostPresses && !opened; n++ {
					before := d.knocks(p)
					t.Logf("%s: the app says: %s", p.name, a.do(t, "press web"))
					opened = within(30*time.Second, func() bool { return d.knocks(p) > before })
				}
				if !opened {
					t.Errorf("%s: the door did not open", p.name)
				}
			}
			a.close(t)
		})
	}
	if r := d.refusals(); len(r) > 0 {
		t.Errorf("refusals %v", r)
	}
}

// appHost is a web server with the app.
type appHost struct {
	trust   string // hash of its public key, as browser.mjs wants it
	version string // SHA-256 of the page
	server  *http.Server
}

// serveApp serves the app at /latchkey/ of an address of a host.
func serveApp(t *testing.T, host, address string) *appHost {
	t.Helper()
	files, err := site.Make(context.Background(), "../..")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("SKIP: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	h := &appHost{}
	mux := http.NewServeMux()
	for _, f := range files {
		name := f.Name
		if name == site.Page {
			name, h.version = "", fmt.Sprintf("%x", sha256.Sum256(f.Content))
		}
		mux.HandleFunc("/latchkey/"+name, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/latchkey/"+name {
				http.NotFound(w, r)
				return
			}
			if path.Ext(name) == ".js" {
				w.Header().Set("Content-Type", "text/javascript")
			}
			w.Write(f.Content)
		})
	}
	certificate, trust := makeCertificate(t, net.ParseIP(neighbour))
	h.trust = trust
	h.server = &http.Server{Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}, ErrorLog: log.New(io.Discard, "", 0)}
	var l net.Listener
	lab.In(t, host, func() (err error) { l, err = net.Listen("tcp", address); return err })
	go h.server.ServeTLS(l, "", "")
	t.Cleanup(h.close)
	return h
}

// close ends the server and its connections.
func (h *appHost) close() { h.server.Close() }

// makeCertificate returns a certificate of its own for an address, and the hash of its public key.
func makeCertificate(t *testing.T, ip net.IP) (tls.Certificate, string) {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{ip}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	sum := sha256.Sum256(must(x509.MarshalPKIXPublicKey(&key.PublicKey)))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, base64.StdEncoding.EncodeToString(sum[:])
}

// leaveAllButTheRouter takes every route over IPv4 from a host but those by the router, until the test ends.
func leaveAllButTheRouter(t *testing.T, host, own string) {
	t.Helper()
	lab.Run(t, host, "ip", "route", "add", router, "dev", "eth0", "src", own)
	lab.Run(t, host, "ip", "route", "del", "203.0.113.0/24")
	t.Cleanup(func() {
		lab.Run(t, host, "ip", "route", "add", "203.0.113.0/24", "dev", "eth0", "src", own)
		lab.Run(t, host, "ip", "route", "del", router, "dev", "eth0")
	})
}

// appProcess is the app in a browser on the phone.
type appProcess struct {
	cmd  *exec.Cmd
	said *lockedBuffer
	in   io.WriteCloser
	out  *bufio.Scanner
}

func openApp(t *testing.T, browser, trust, url string) *appProcess {
	t.Helper()
	a := &appProcess{cmd: nodeOn(t, "phone", "../../testdata/browser/app.mjs", browser, trust, url), said: &lockedBuffer{}}
	a.cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	// The browser is node's child: it must not go on knocking when the test is over.
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	a.cmd.Stderr = a.said
	a.in, a.out = must(a.cmd.StdinPipe()), bufio.NewScanner(must(a.cmd.StdoutPipe()))
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Kill(-a.cmd.Process.Pid, unix.SIGKILL) })
	return a
}

// do does a step of app.mjs and returns what came of it.
func (a *appProcess) do(t *testing.T, step string) string {
	t.Helper()
	if _, err := io.WriteString(a.in, step+"\n"); err != nil {
		t.Fatalf("%s: %v: %s", step, err, a.said)
	}
	if !a.out.Scan() {
		t.Fatalf("%s: the browser ended: %s", step, a.said)
	}
	return a.out.Text()
}

func (a *appProcess) close(t *testing.T) {
	t.Helper()
	a.in.Close()
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, a.said)
	}
}
