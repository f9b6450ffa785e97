// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// TestDebiansFwknop knocks with Debian's fwknop client in many ways: what it asks for is opened, or it is
// told which part of it is not.
func TestDebiansFwknop(t *testing.T) {
	const (
		key   = "a2trAWtrAWtrAWtrAWtrAWtrAWtrAWtrAWtrAWtrAQA="
		other = "b2trAWtrAWtrAWtrAWtrAWtrAWtrAWtrAWtrAWtrAQA="
		hmac  = "aGhoAmhoaAJoaGgCaGhoAmhoaAJoaGgCaGhoAmhoaAI="
	)
	text := strings.Replace(home, "\tlist device 'wan'\n", "\tlist device 'wan'\n\toption spa_port '62201'\n", 1) +
		"\nconfig client 'desk'\n\toption kind 'fwknop'\n\toption key '" + key + "'\n\toption hmac_key '" + hmac + "'\n\tlist door 'web'\n\tlist door 'nas'\n" +
		"\nconfig client 'text'\n\toption kind 'fwknop'\n\toption key_text 'correct horse'\n\toption hmac_key_text 'battery_staple_2'\n\tlist door 'web'\n"
	random := []string{"--key-base64-rijndael", key, "--key-base64-hmac", hmac}
	web := append([]string{"-A", "tcp/8443", "-a", phone}, random...)
	nas := append([]string{"-A", "tcp/2222", "-a", phone}, random...)
	with := func(list []string, more ...string) []string { return append(append([]string{}, list...), more...) }
	for _, tt := range []struct {
		name string
		args []string
		want string // what the newest event of the client says
	}{
		{"plain", web, "opened web desk"},
		{"digest_of_SHA3-256", with(web, "-m", "sha3_256"), "opened web desk"},
		{"digest_of_SHA3-512", with(web, "-m", "sha3_512"), "opened web desk"},
		{"HMAC_of_SHA3-256", with(web, "--hmac-digest-type", "sha3_256"), "opened web desk"},
		{"HMAC_of_SHA3-512", with(web, "--hmac-digest-type", "sha3_512"), "opened web desk"},
		{"HMAC_of_MD5", with(web, "--hmac-digest-type", "md5"), "opened web desk"},
		{"keys_that_are_texts", []string{"-A", "tcp/8443", "-a", phone, "--key-rijndael", "correct horse", "--key-hmac", "battery_staple_2"}, "opened web text"},
		{"its_own_target", with(nas, "-N", "192.168.1.22:22"), "opened nas desk"},
		{"its_own_target_on_the_router", with(web, "--nat-local"), "opened web desk"},
		{"another_host_inside", with(nas, "-N", "192.168.1.50:22"),
			`refused desk not-allowed: client "desk" asks to be forwarded to port 22 of 192.168.1.50, but door "nas" leads to port 22 of 192.168.1.22`},
		{"another_port_inside", with(nas, "-N", "192.168.1.22:23"),
			`refused desk not-allowed: client "desk" asks to be forwarded to port 23 of 192.168.1.22, but door "nas" leads to port 22 of 192.168.1.22`},
		{"the_router_instead_of_a_host_inside", with(nas, "--nat-local"),
			`refused desk not-allowed: client "desk" asks to be forwarded to port 2222 of the router, but door "nas" leads to port 22 of 192.168.1.22`},
		{"another_key", []string{"-A", "tcp/8443", "-a", phone, "--key-base64-rijndael", other, "--key-base64-hmac", hmac},
			"refused desk bad-message: the HMAC key fits, but decrypting gives no text: the encryption key is another one, or the cipher mode (only CBC is understood)"},
		{"mode_CFB", with(web, "-M", "cfb"),
			"refused desk bad-message: the HMAC key fits, but decrypting gives no text: the encryption key is another one, or the cipher mode (only CBC is understood)"},
		{"mode_CTR", with(web, "-M", "ctr"),
			"refused desk bad-message: the HMAC key fits, but decrypting gives no text: the encryption key is another one, or the cipher mode (only CBC is understood)"},
		{"a_time_that_is_too_long", with(web, "-f", "65537"), `refused desk bad-message: its wished time is "65537", 0 to 65536 seconds are the limits`},
		{"22_ports", with([]string{"-A", strings.TrimSuffix(strings.Repeat("tcp/8443,", 22), ","), "-a", phone}, random...),
			"refused desk bad-message: its access request has 279 characters of base64, 256 are the limit"},
		{"a_command", with([]string{"--server-cmd", "reboot", "-a", phone}, random...), "refused desk not-allowed: it asks the router to run a command: no knock does that"},
		{"a_group_of_hosts", with([]string{"-A", "tcp/8443", "-a", "224.0.0.1"}, random...),
			"refused desk not-allowed: 224.0.0.1 is not the address of a host: nobody can connect from there"},
		{"everybody", with([]string{"-A", "tcp/8443", "-a", "255.255.255.255"}, random...),
			"refused desk not-allowed: 255.255.255.255 is not the address of a host: nobody can connect from there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := start(t, text, "--clock", "synchronised")
			lab.Run(t, "phone", "env", append([]string{"HOME=" + t.TempDir(), "fwknop", "--no-save-args", "-D", router, "-p", "62201", "--use-hmac"}, tt.args...)...)
			var e control.Event
			lab.Wait(t, "what comes of it", func() bool { e = d.newest(); return e.Client != "" })
			got := strings.Join(strings.Fields(e.Kind+" "+e.Door+" "+e.Client+" "+e.Reason), " ")
			if e.Kind == "refused" {
				got += ": " + e.Detail
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// newest returns the newest event of a client: news of devices and of the clock may come at any time.
func (d *latchkeydProcess) newest() (newest control.Event) {
	d.t.Helper()
	var list []control.Event
	if err := d.ask(control.Request{Method: "events"}, &list); err != nil {
		d.t.Fatal(err)
	}
	for _, e := range list {
		if e.Client != "" {
			newest = e
		}
	}
	return newest
}
