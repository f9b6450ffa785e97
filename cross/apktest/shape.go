// SPDX-License-Identifier: Apache-2.0

package apktest

// shape is the type of a value, which the value itself does not say.
type shape struct {
	name   string
	form   form
	fields []shape // of an object, by their numbers from 1 on; without a name: not known here
	item   *shape  // of a list
}

type form int

const (
	text        form = iota
	lines            // text that is shown in a block of its own
	hexadecimal      // bytes
	number
	octal
	object
	list
	dependency // an object that is shown as "name>=version"
)

func listOf(name string, item shape) shape { return shape{name: name, form: list, item: &item} }

// The schemas of apk_adb.c.
func packageShape() shape {
	access := shape{name: "acl", form: object, fields: []shape{
		{name: "mode", form: octal}, {name: "user"}, {name: "group"},
	}}
	file := shape{form: object, fields: []shape{
		{name: "name"}, access, {name: "size", form: number}, {name: "mtime", form: number},
		{name: "hash", form: hexadecimal}, {name: "target", form: hexadecimal},
	}}
	folder := shape{form: object, fields: []shape{{name: "name"}, access, listOf("files", file)}}
	scripts := shape{name: "scripts", form: object}
	for _, name := range []string{
		"trigger", "pre-install", "post-install", "pre-deinstall", "post-deinstall", "pre-upgrade", "post-upgrade",
	} {
		scripts.fields = append(scripts.fields, shape{name: name, form: lines})
	}
	return shape{form: object, fields: []shape{infoShape("info"), listOf("paths", folder), scripts}}
}

func indexShape() shape {
	return shape{form: object, fields: []shape{{name: "description"}, listOf("packages", infoShape(""))}}
}

func infoShape(name string) shape {
	relation := shape{form: dependency, fields: []shape{{}, {}, {form: number}}}
	return shape{name: name, form: object, fields: []shape{
		{name: "name"}, {name: "version"}, {name: "hashes", form: hexadecimal}, {name: "description"},
		{name: "arch"}, {name: "license"}, {name: "origin"}, {name: "maintainer"}, {name: "url"},
		{name: "repo-commit", form: hexadecimal}, {name: "build-time", form: number},
		{name: "installed-size", form: number}, {name: "file-size", form: number},
		{name: "provider-priority", form: number},
		listOf("depends", relation), listOf("provides", relation), listOf("replaces", relation),
		listOf("install-if", relation), listOf("recommends", relation),
		{name: "layer", form: number}, listOf("tags", shape{}),
	}}
}
