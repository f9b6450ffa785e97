// SPDX-License-Identifier: Apache-2.0

package site

import (
	"bytes"
	"encoding/json"
	"errors"
	"image/png"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// made returns the files of the site by their names.
func made(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := Make(t.Context(), "../..")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("SKIP: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	byName := map[string][]byte{}
	for _, f := range files {
		byName[f.Name] = f.Content
	}
	return byName
}

func TestSite(t *testing.T) {
	files := made(t)
	for name, test := range map[string]func(*testing.T, map[string][]byte){
		"the same sources give the same bytes":            theSameSourcesGiveTheSameBytes,
		"the policy allows no more than an app needs":     thePolicyAllowsNoMoreThanAnAppNeeds,
		"what the page names is there":                    whatThePageNamesIsThere,
		"the icons have the sizes that the manifest says": theIconsHaveTheSizesThatTheManifestSays,
	} {
		t.Run(name, func(t *testing.T) { test(t, files) })
	}
}

func theSameSourcesGiveTheSameBytes(t *testing.T, first map[string][]byte) {
	second := made(t)
	for name := range first {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s differs from one time to the next", name)
		}
	}
	if len(first) != len(second) {
		t.Errorf("%d files, then %d", len(first), len(second))
	}
}

func thePolicyAllowsNoMoreThanAnAppNeeds(t *testing.T, files map[string][]byte) {
	html := files[Page]
	policy := regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindSubmatch(html)
	if policy == nil {
		t.Fatal("the page has no policy")
	}
	got := strings.Split(regexp.MustCompile(`'sha256-[^']{44}'`).ReplaceAllString(string(policy[1]), "HASH"), "; ")
	slices.Sort(got)
	want := []string{
		"base-uri 'none'", "connect-src http: https:", "default-src 'none'", "form-action 'none'", "img-src 'self'",
		"manifest-src 'self'", "script-src HASH", "style-src HASH", "worker-src 'self'",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the policy (-want +got):\n%s", diff)
	}
	// A library that had these words would end the page's script in its middle.
	if n := bytes.Count(bytes.ToLower(html), []byte("</script")); n != 1 {
		t.Errorf("the page ends a script %d times, want once", n)
	}
}

func whatThePageNamesIsThere(t *testing.T, files map[string][]byte) {
	var named []string
	for _, match := range regexp.MustCompile(`<link [^>]*href="([^"]*)"`).FindAllSubmatch(files[Page], -1) {
		named = append(named, string(match[1]))
	}
	if len(named) != 3 {
		t.Errorf("the page names %q, want a manifest and two icons", named)
	}
	kept, err := os.ReadFile("files.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`(?m)^\t'([\w.-]+)':`).FindAllSubmatch(kept, -1) {
		named = append(named, string(match[1]))
	}
	if len(named) != 8 {
		t.Errorf("page and worker name %q, want 3 and 5 files", named)
	}
	for _, name := range named {
		if files[name] == nil {
			t.Errorf("%s is named, but not made", name)
		}
	}
}

func theIconsHaveTheSizesThatTheManifestSays(t *testing.T, files map[string][]byte) {
	var manifest struct {
		Icons []struct{ Src, Sizes, Purpose string }
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	sizes := map[string]string{"icon-180.png": "180x180"} // which the page names for Apple
	for _, icon := range manifest.Icons {
		sizes[icon.Src] = icon.Sizes
	}
	if len(sizes) != len(icons) {
		t.Errorf("icons %v, but %d are made", sizes, len(icons))
	}
	for name, size := range sizes {
		picture, err := png.Decode(bytes.NewReader(files[name]))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := picture.Bounds().Size().String(); got != "("+strings.Replace(size, "x", ",", 1)+")" {
			t.Errorf("%s has the size %s, want %s", name, got, size)
		}
		// What the system cuts must reach its edges, what it does not has round corners.
		_, _, _, alpha := picture.At(0, 0).RGBA()
		if cut := name == "icon-180.png" || strings.Contains(name, "maskable"); cut != (alpha == 0xffff) {
			t.Errorf("%s has a corner of opacity %d", name, alpha)
		}
	}
}
