// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';

// What the router made of another port knocker's file (latchkeyd import), read as UCI text with
// comments. Pure. Keys are in the options key and hmac_key, and nowhere else.

// One line of UCI text as words. As there, a word may be made of parts: 'it'\''s' is it's.
function wordsOf(line) {
	const part = /\s+|'([^']*)'?|"((?:[^"\\]|\\.)*)"?|\\(.?)|([^\s'"\\]+)/y;
	const out = [];
	let word = null, m;

	while ((m = part.exec(line)) && m[0] != '') {
		const text = [ m[1], m[2] && m[2].replace(/\\(.)/g, '$1'), m[3], m[4] ].find(function(t) { return t != null; });

		if (text == null) {
			out.push(word);
			word = null;
		}
		else {
			word = (word == null ? '' : word) + text;
		}
	}

	return out.concat(word).filter(function(w) { return w != null; });
}

// Adds an option or a list's value to a section.
function set(section, w) {
	if (!(/^[a-z0-9_]+$/).test(w[1] || ''))
		return;
	if (w[0] == 'list')
		section.options[w[1]] = [].concat(section.options[w[1]] || [], w[2] || '');
	else
		section.options[w[1]] = w[2] || '';
}

// { from, about, groups, sections, counts }. from: what kind of file it was; about: notes on all of it;
// groups: [{ title, notes, sections }], one for each part of the file; sections: all of them, [{ type,
// name, options: { name: text or [texts] } }]; counts: [[ words of the daemon, number ]].
function parse(content) {
	const out = { from: '', about: [], groups: [], sections: [], counts: [] };
	let group = null, current = null, blank = true, counting = false;

	function comment(line) {
		const from = line.match(/^Translated from (.*?)\. Look it through/);
		const count = counting && line.match(/^(.*): (\d+)$/);

		if (from)
			out.from = from[1];
		else if (line == 'Sections that were read:')
			counting = true;
		else if (count)
			out.counts.push([ count[1], +count[2] ]);
		else if (blank)
			out.groups.push(group = { title: line, notes: [], sections: [] });
		else if (line != '')
			(group ? group.notes : out.about).push(line);
	}

	// A section that was there before goes on, as in UCI.
	function begin(type, name) {
		current = out.sections.find(function(s) { return name != '' && s.type == type && s.name == name; });
		if (current)
			return;
		current = { type: type, name: name, options: Object.create(null) };
		out.sections.push(current);
		if (group)
			group.sections.push(current);
	}

	content.split('\n').forEach(function(raw) {
		const line = raw.trim();
		const w = (line.charAt(0) == '#') ? [] : wordsOf(line);

		if (line.charAt(0) == '#')
			comment(line.replace(/^#\s*/, ''));
		else if (w[0] == 'config')
			begin(w[1] || '', w[2] || '');
		else if ((w[0] == 'option' || w[0] == 'list') && current)
			set(current, w);
		blank = (line == '');
	});

	return out;
}

function isOurs(s) {
	return (/^[A-Za-z0-9_]+$/).test(s.name) && [ 'door', 'sequence', 'client' ].indexOf(s.type) >= 0;
}

// What is taken over: doors, sequences and clients with a name, renamed where the name is taken.
function usable(sections, taken) {
	const renamed = Object.create(null);
	const kept = sections.filter(isOurs);

	kept.forEach(function(s) {
		let name = s.name;

		for (let i = 2; taken.indexOf(name) >= 0; i++)
			name = s.name + '_' + i;
		taken = taken.concat(name);
		if (s.type == 'door')
			renamed[s.name] = name;
		s.name = name;
	});
	kept.forEach(function(s) {
		if (s.type != 'door' && s.options.door)
			s.options.door = [].concat(s.options.door).map(function(d) { return renamed[d] || d; });
	});

	return kept;
}

// The options of section main that what is taken over needs: the port of fwknop packets. Nothing else of
// main is taken, so that nothing that runs is switched off.
function needs(sections) {
	const main = sections.find(function(s) { return s.type == 'latchkey'; });

	return (main && main.options.spa_port) ? { spa_port: main.options.spa_port } : {};
}

return baseclass.extend({
	parse: parse,
	usable: usable,
	needs: needs
});
