// SPDX-License-Identifier: Apache-2.0

package link_test

import (
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"os"
	"regexp"
	"testing"
)

var update = flag.Bool("update", false, "put the right hashes into the knock page")

const (
	pagePath = "../../luci-app/htdocs/latchkey/index.html"
	pageSize = 20 * 1000
)

// The page's policy lets only its own script and style run, by their hashes.
func TestPage(t *testing.T) {
	page, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	right := page
	for _, tag := range []string{"script", "style"} {
		element := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllSubmatch(page, -1)
		if len(element) != 1 {
			t.Fatalf("the page has %d elements <%s>, want 1", len(element), tag)
		}
		sum := sha256.Sum256(element[0][1])
		hash := base64.StdEncoding.EncodeToString(sum[:])
		policy := regexp.MustCompile(tag + `-src 'sha256-[^']*'`)
		if n := len(policy.FindAll(right, -1)); n != 1 {
			t.Fatalf("the page has %d policies %s-src, want 1", n, tag)
		}
		right = policy.ReplaceAllLiteral(right, []byte(tag+`-src 'sha256-`+hash+`'`))
	}
	switch {
	case string(right) == string(page):
	case *update:
		if err := os.WriteFile(pagePath, right, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("the hashes in the page's policy do not fit its script and style; run: go test ./pkgs/link -run TestPage -update")
	}
	if len(right) > pageSize {
		t.Errorf("the page has %d bytes, more than %d", len(right), pageSize)
	}
	if m := regexp.MustCompile(`(src|href)="[^d]|@import|url\(|\son\w+=|style="|innerHTML|document\.write|\beval\b`).Find(right); m != nil {
		t.Errorf("the page has %q: it must load nothing, and insert settings only as text", m)
	}
}
