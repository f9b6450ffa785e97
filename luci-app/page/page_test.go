// SPDX-License-Identifier: Apache-2.0

package page

import (
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the page that the router serves")

const (
	product = "../htdocs/latchkey/index.html"
	// maxSize is for a phone that saves it. The texts of three languages, and comments for whoever reads what he runs, are a third; compressed it has 20 kB.
	maxSize = 52_500 // bytes
)

func TestTheRouterServesWhatIsMadeOfTheParts(t *testing.T) {
	made := HTML(Variant{})
	if *update {
		if err := os.WriteFile(product, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	served, err := os.ReadFile(product)
	if err != nil {
		t.Fatal(err)
	}
	if string(served) != string(made) {
		t.Errorf("%s is not made of these parts; run: make page", product)
	}
	if len(made) > maxSize {
		t.Errorf("the page has %d bytes, more than %d", len(made), maxSize)
	}
}

// The page's policy lets only its own script and style run, by their hashes.
func TestThePolicyNamesScriptAndStyle(t *testing.T) {
	for name, v := range map[string]Variant{
		"of the router": {},
		"of an app":     {Head: `<link rel="manifest" href="data:,">`, Policy: "manifest-src 'self'", Style: "dialog{border:0}\n", Scripts: "app.on = true;\n"},
	} {
		html := string(HTML(v))
		for _, tag := range []string{"script", "style"} {
			element := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(html, -1)
			if len(element) != 1 {
				t.Fatalf("the page %s has %d elements <%s>, want 1", name, len(element), tag)
			}
			sum := sha256.Sum256([]byte(element[0][1]))
			if want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; !strings.Contains(html, want) {
				t.Errorf("the policy of the page %s lacks %s", name, want)
			}
		}
		for _, part := range []string{v.Head, v.Policy, v.Style, v.Scripts} {
			if !strings.Contains(html, part) {
				t.Errorf("the page %s lacks %q", name, part)
			}
		}
	}
}

func TestThePageLoadsNothing(t *testing.T) {
	if m := regexp.MustCompile(`(src|href)="[^d]|@import|url\(|\son\w+=|style="|innerHTML|document\.write|\beval\b`).Find(HTML(Variant{})); m != nil {
		t.Errorf("the page has %q: it must load nothing, and insert settings only as text", m)
	}
}

// TestEveryLanguageHasEveryText, of the page and of the app: what one lacks would be an error in the middle of a
// knock.
func TestEveryLanguageHasEveryText(t *testing.T) {
	for file, least := range map[string]int{"words.js": 50, "../site/words.js": 10} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		bare := regexp.MustCompile(`'(?:[^'\\]|\\.)*'`).ReplaceAllString(string(source), "''")
		texts := map[string][]string{}
		for _, language := range regexp.MustCompile(`(?s)\n\t([a-z]{2}): \{(.*?)\n\t\}`).FindAllStringSubmatch(bare, -1) {
			for _, m := range regexp.MustCompile(`(\w+): ''`).FindAllStringSubmatch(language[2], -1) {
				texts[language[1]] = append(texts[language[1]], m[1])
			}
		}
		if len(texts) != 3 || len(texts["en"]) < least {
			t.Errorf("%s: %d languages were found, and %d texts in English", file, len(texts), len(texts["en"]))
		}
		for language, list := range texts {
			if !slices.Equal(list, texts["en"]) {
				t.Errorf("%s: the texts of %s are not those of en, in their order:\n%q\n%q", file, language, list, texts["en"])
			}
		}
	}
}
