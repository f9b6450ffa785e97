// SPDX-License-Identifier: Apache-2.0

// No module of ours hands LuCI or the browser a string that would be read as HTML. What each rule
// forbids is done by element.js, page.js or grid.js, in which texts are texts.

import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { app, catalog } from '../lib/modules.mjs';

const folder = join(app, 'htdocs/luci-static/resources');
const modules = readdirSync(folder, { recursive: true }).map(String).filter(f => f.endsWith('.js'));

// Comments hold no code; strings that LuCI requires are looked at.
const code = f => readFileSync(join(folder, f), 'utf8').replace(/^\s*\/\/.*$/gm, '');

const RULES = [
	[ /\b(inner|outer)HTML\b|insertAdjacentHTML|createContextualFragment|document\.write|srcdoc|parseFromString/, [ 'latchkey/element.js' ], 'make elements by element.make, drawings by element.drawing' ],
	[ /\bL\.dom\b|\bdom\.(append|content|create|parse)\b|'require dom'/, [], 'LuCI’s dom reads strings as HTML: use element.make' ],
	[ /\bui\.(showModal|addNotification|addTimeLimitedNotification|showIndicator)\b/, [ 'latchkey/page.js' ], 'use page.dialog and page.failed' ],
	[ /\b(sectiontitle|modaltitle|renderMoreOptionsModal|textvalue)\b|form\.(Grid|Table)Section\s*[,)]/, [ 'latchkey/grid.js' ], 'use grid.table and grid.column' ],
	[ /\brawhtml\b|\.tooltip\b|\bcreate_markup\b/, [], 'LuCI reads it as HTML' ],
	// NetworkSelect does, too, but of networks: UCI and netifd let their names be letters, digits and _ only.
	[ /'require tools\./, [ 'view/latchkey/settings.js' ], 'LuCI’s widgets read names as HTML: use form.ListValue and grid.choice' ],
	[ /\bwidgets\.(?!NetworkSelect\b)/, [], 'LuCI’s widgets read names as HTML: use form.ListValue and grid.choice' ],
	[ /\bview\.extend\b/, [ 'latchkey/page.js' ], 'use page.makeView: LuCI shows errors as HTML' ],
	[ /\.textContent = (e|err|error)\b/, [], 'use element.say, which shows what cannot be seen' ],
	[ /\beval\b|new Function\b|setAttribute\('on/, [], 'it runs texts as scripts' ],
	[ /\bL\.(error|raise)\b/, [], 'LuCI shows errors as HTML: use page.failed' ],
	[ /(?<!-)\bE = (?!element\.make;)/, [], 'E is element.make' ]
];

// The arguments of a call, as code, from behind its bracket on.
function argumentsAt(text, at) {
	const out = [ '' ];

	for (let depth = 0, quote = ''; at < text.length; at++) {
		const c = text[at];

		if (quote)
			quote = (c == quote && text[at - 1] != '\\') ? '' : quote;
		else if (c == '\'')
			quote = c;
		else if (/[([{]/.test(c))
			depth++;
		else if (/[)\]}]/.test(c) && depth-- == 0)
			break;
		else if (c == ',' && depth == 0) {
			out.push('');
			continue;
		}
		out[out.length - 1] += c;
	}

	return out.map(a => a.trim());
}

// Words of ours, which the last test of this file reads: a text to translate, a literal, a default.
const OWN = /^(_\([\s\S]*\)|'[^<&']*'|form\.\w+|widgets\.NetworkSelect|rules\.DEFAULTS\.\w+)$/;

// What is wrong with a module's code, in words.
function faults(name, text) {
	const out = RULES.filter(([ pattern, allowed ]) => !allowed.includes(name) && pattern.test(text)).map(([ pattern, , why ]) => text.match(pattern)[0] + ': ' + why);
	const calls = pattern => [ ...text.matchAll(pattern) ].map(m => argumentsAt(text, m.index + m[0].length));

	if (/\bE\(/.test(text) && !/^const E = element\.make;$/m.test(text) && name != 'latchkey/element.js')
		out.push('E(): that of LuCI reads strings as HTML: const E = element.make;');
	if (name == 'latchkey/grid.js')
		return out;
	for (const list of calls(/new form\.Map\(|\.(?:tab)?option\(|\.tab\(/g))
		for (const a of list.filter(x => !OWN.test(x)))
			out.push(a + ': a caption is read as HTML: write _(…) there, and names elsewhere');
	for (const list of calls(/\bo\.value\(/g))
		if (list.length > 1 && !list.every(a => /^'[^<&']*'$/.test(a)))
			out.push('value(' + list + '): use grid.choice, labels may be read as HTML');
	for (const m of text.matchAll(/\b[oms]\.(description|placeholder|inputtitle|addbtntitle|title) = ([^;]*);/g))
		if (name.startsWith('view/') && !OWN.test(m[2]))
			out.push(m[0] + ' is read as HTML: write _(…) there');

	return out;
}

for (const name of modules)
	test('no string becomes HTML in ' + name, () => assert.deepEqual(faults(name, code(name)), []));

test('the rules find what they are for', () => {
	for (const bad of [ 'box.innerHTML = title;', 'L.dom.content(box, title);', 'dom.append(box, title);', 'ui.showModal(title, []);', 'ui.addNotification(null, title);',
		's.modaltitle = function(id) { return id; };', 'o.textvalue = f;', 'm.section(form.GridSection, \'door\');', 'o.rawhtml = true;', '\'require tools.widgets as widgets\';',
		'return view.extend({', 'E(\'p\', title);', 'const E = L.dom.create;', 'o.value(d.name, d.title);', 'o.value(d.name, door.title(d));', 's.option(form.Value, \'a\', door.title(d));',
		'new form.Map(\'latchkey\', text.say(_(\'a\'), {}));', 'o.description = door.title(d);', 'o.placeholder = name;', 'L.error(err);', 'o.title = `${name}`;' ])
		assert.notDeepEqual(faults('view/latchkey/new.js', bad), [], bad);
});

test('no text and no translation has markup in it', () => {
	for (const language of [ 'de', 'zh_Hans' ])
		for (const e of catalog(language).entries)
			for (const t of [ e.id, e.plural, ...e.translations ])
				assert.ok(!/[<>]|&[a-z#]|[\p{Cc}\p{Cf}]/iu.test(t ?? ''), t);
});
