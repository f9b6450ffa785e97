// SPDX-License-Identifier: Apache-2.0

// Package page makes the knock page: one HTML file that holds all its parts, and whose policy lets nothing else run.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"strings"
)

//go:embed index.html *.css *.js
var parts embed.FS

// scripts are joined in this order. Those before words.js need neither a document nor a network.
var scripts = []string{"seal.js", "link.js", "judge.js", "words.js", "store.js", "knock.js", "page.js"}

// Variant is what a page has beside the one that the router serves.
type Variant struct {
	Head    string // more elements of <head>, such as a manifest
	Policy  string // more directives of the policy, such as "manifest-src 'self'"
	Style   string // more rules of the style
	Scripts string // more code, which runs before the page starts and in the same scope
}

// HTML returns the page. It is the same for the same parts.
func HTML(v Variant) []byte {
	var script strings.Builder
	for _, name := range scripts {
		script.WriteString(part(name))
	}
	script.WriteString(v.Scripts)
	script.WriteString(part("start.js"))
	style := part("style.css") + v.Style
	code := "\n'use strict';\n" + script.String()
	policy := fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; connect-src http: https:; base-uri 'none'; form-action 'none'", hash(code), hash("\n"+style))
	if v.Policy != "" {
		policy += "; " + v.Policy
	}
	head := `<link rel="icon" href="data:,">`
	if v.Head != "" {
		head = v.Head
	}
	return []byte(strings.NewReplacer("POLICY", policy, "HEAD", head, "STYLE", style, "SCRIPT", script.String()).Replace(part("index.html")))
}

// part returns one of the page's files, which are inside the program.
func part(name string) string {
	text, err := parts.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// hash names an inline element's content for a Content Security Policy (CSP Level 3, section 2.3.1).
func hash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
