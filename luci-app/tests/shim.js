// SPDX-License-Identifier: Apache-2.0
'use strict';

// A thin stand-in for LuCI's module loader, for Node and for a page in a browser. It knows
// 'require X as y' lines, baseclass.extend, _() and N_(), and nothing else of LuCI: a module that needs
// more is not pure and belongs to the views, whose LuCI is luci.js.
(function(global) {
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

	global.Shim = { translator: translator, loader: loader };
})(globalThis);
