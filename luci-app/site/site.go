// SPDX-License-Identifier: Apache-2.0

// Package site makes an app of the knock page: a folder of files that can be put on any https address.
//
// It knows neither that address nor any server. The same sources give the same page, byte by byte, so that who was given
// the page's SHA-256 by one can compare it with that of another.
package site

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/latchkey/latchkey/luci-app/page"
)

// Page is the name of the file that all the others belong to.
const Page = "index.html"

// File is one file of the folder.
type File struct {
	Name    string
	Content []byte
}

// head makes the page an app. Phones of Apple read the elements called so, and take the icon from there.
const head = `<link rel="manifest" href="manifest.json">
<link rel="icon" type="image/png" href="icon-192.png">
<link rel="apple-touch-icon" href="icon-180.png">
<meta name="apple-mobile-web-app-capable" content="yes">
<meta name="apple-mobile-web-app-title" content="Latchkey">
<meta name="theme-color" content="#f4f2ed" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="#131517" media="(prefers-color-scheme: dark)">`

// policy is what the page's Content-Security-Policy forbids and an app needs. Without the images Chromium takes the icons for
// missing and does not offer to install the app.
const policy = "worker-src 'self'; manifest-src 'self'; img-src 'self'"

// icons are the pictures. Apple's and Android's "maskable" are cut by the system, the others have round corners.
var icons = []struct {
	name   string
	side   int     // pixels
	corner float64 // radius, as a part of the side
}{
	{"icon-180.png", 180, 0},
	{"icon-192.png", 192, 0.2},
	{"icon-512.png", 512, 0.2},
	{"icon-maskable-512.png", 512, 0},
}

// Make returns the files of the site, made of what lies in the project's folder root.
func Make(ctx context.Context, root string) ([]File, error) {
	folder := filepath.Join(root, "luci-app", "site")
	app, err := bundle(ctx, folder, "app.js", "--minify")
	if err != nil {
		return nil, err
	}
	worker, err := bundle(ctx, folder, "worker.js")
	if err != nil {
		return nil, err
	}
	style, err := os.ReadFile(filepath.Join(folder, "app.css"))
	if err != nil {
		return nil, err
	}
	html := page.HTML(page.Variant{Head: head, Policy: policy, Style: string(style), Scripts: app})
	files := []File{{Page, html}, {"worker.js", []byte(worker)}}
	for _, source := range []string{filepath.Join(folder, "manifest.json"), filepath.Join(root, "LICENSE")} {
		content, err := os.ReadFile(source)
		if err != nil {
			return nil, err
		}
		files = append(files, File{filepath.Base(source), content})
	}
	drawn, err := drawIcons(filepath.Join(folder, "icon.svg"))
	return append(files, drawn...), err
}

func drawIcons(source string) ([]File, error) {
	svg, err := os.ReadFile(source)
	if err != nil {
		return nil, err
	}
	d, err := parseDrawing(svg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	var files []File
	for _, icon := range icons {
		content, err := d.png(icon.side, icon.corner)
		if err != nil {
			return nil, err
		}
		files = append(files, File{icon.name, content})
	}
	return files, nil
}
