// SPDX-License-Identifier: Apache-2.0
'use strict';

// A thin stand-in for LuCI's module loader, for Node and for a page in a browser. It knows
// 'require X as y' lines, baseclass.extend, E(), _() and N_(), and nothing else of LuCI: a module
// that needs more is not pure and belongs to the views.
(function(global) {
	// Element, attributes, children. LuCI's own E() takes a bare string child for HTML; a title of a
	// door must never end there, so here that is an error.
	function E(tag, attributes, children) {
		if (Array.isArray(tag)) {
			children = tag;
			tag = null;
		}
		else if (Array.isArray(attributes)) {
			children = attributes;
			attributes = {};
		}
		if (children != null && !Array.isArray(children) && !(children.nodeType))
			throw new Error('E(): a bare child would be read as HTML: ' + children);

		const node = tag ? document.createElement(tag) : document.createDocumentFragment();

		Object.entries(attributes || {}).forEach(function(entry) {
			if (typeof(entry[1]) == 'function')
				node.addEventListener(entry[0], entry[1]);
			else if (entry[1] != null)
				node.setAttribute(entry[0], entry[1]);
		});
		[].concat(children || []).forEach(function(child) {
			if (child != null)
				node.appendChild(child.nodeType ? child : document.createTextNode(String(child)));
		});

		return node;
	}

	// catalog: { 'msgid' or 'context\u0001msgid': text or [forms] }, plural(n): number of the form.
	function translator(catalog, plural) {
		const key = function(s, c) { return (c != null ? c + '\u0001' : '') + s; };

		return {
			_: function(s, c) { return catalog[key(s, c)] || s; },
			N_: function(n, s, p, c) {
				const forms = catalog[key(s, c)];

				return forms ? forms[+plural(n)] : (n == 1 ? s : p);
			}
		};
	}

	// read(name) returns a module's source. Returns require(name).
	function loader(read, extra) {
		const loaded = Object.assign({ baseclass: { extend: function(members) { return members; } } }, extra);

		return function require(name) {
			if (loaded[name])
				return loaded[name];

			const source = read(name);
			const names = [], values = [];

			for (const m of source.matchAll(/^'require (\S+?)(?: as (\w+))?';$/gm)) {
				names.push(m[2] || m[1].replace(/[^a-z0-9]/gi, '_'));
				values.push(require(m[1]));
			}

			return loaded[name] = new Function(...names, source)(...values);
		};
	}

	global.Shim = { E: E, translator: translator, loader: loader };
})(globalThis);
