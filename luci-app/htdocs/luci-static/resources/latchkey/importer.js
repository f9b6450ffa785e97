// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.door as door';
'require latchkey.sequence as sequence';
'require latchkey.element as element';

// Import of a configuration of knockd or fwknop: the router translates it into UCI text, which is read
// here and shown before it is taken over. Needs only the DOM.

const E = element.make;

// One line of UCI text as words; quotes as in UCI: '...' or "...".
function wordsOf(line) {
	return (line.match(/'[^']*'|"[^"]*"|[^\s'"]+/g) || []).map(function(w) {
		return (/^['"]/).test(w) ? w.slice(1, -1) : w;
	});
}

// UCI text as [{ type, name, options: { name: text or [texts] } }] and the comments in it.
function parse(content) {
	const sections = [], comments = [];
	let current;

	// A section that was there before goes on, as in UCI.
	function begin(type, name) {
		current = sections.filter(function(s) { return name != '' && s.type == type && s.name == name; })[0];

		if (!current) {
			current = { type: type, name: name, options: {} };
			sections.push(current);
		}
	}
	content.split('\n').forEach(function(raw) {
		const line = raw.trim();

		if (line.charAt(0) == '#') {
			comments.push(line.replace(/^#\s*/, ''));

			return;
		}

		const w = wordsOf(line);

		if (w[0] == 'config')
			begin(w[1], w[2] || '');
		else if (w[0] == 'option' && current)
			current.options[w[1]] = w[2] || '';
		else if (w[0] == 'list' && current)
			current.options[w[1]] = (current.options[w[1]] || []).concat(w[2] || '');
	});

	return { sections: sections, comments: comments.filter(Boolean) };
}

// What is taken over: doors, sequences and clients with a name, renamed where the name is taken.
function usable(sections, taken) {
	const renamed = {};
	const kept = sections.filter(function(s) {
		return s.name != '' && (s.type == 'door' || s.type == 'sequence' || s.type == 'client');
	});

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

// The daemon's answer: the text, in whatever wrapping.
function textOf(answer) {
	return (typeof(answer) == 'string') ? answer : (answer.text || answer.uci || answer.config || '');
}

function found(list) {
	return text.say(N_(list.length, '{n} section to take over:', '{n} sections to take over:'), { n: list.length });
}

function titleOf(s) {
	const titles = { door: _('Door “{name}”'), sequence: _('Sequence “{name}”'), client: _('Client “{name}”') };

	return text.say(titles[s.type], { name: s.name });
}

// A client has keys, which are not shown.
function aboutOf(s) {
	switch (s.type) {
	case 'door':
		return door.sentence(s.options);
	case 'client':
		return [].concat(s.options.door || []).join(', ');
	}

	return sequence.words([].concat(s.options.step || s.options.once || [])).join(', ');
}

// The options of section main that what is taken over needs: the port of fwknop packets.
function needs(sections) {
	const main = sections.filter(function(s) { return s.type == 'latchkey'; })[0];

	return (main && main.options.spa_port) ? { spa_port: main.options.spa_port } : {};
}

function preview(result, sections) {
	return [
		E('p', [ sections.length ? found(sections) : _('There is no knock in it that can be taken over.') ]),
		E('ul', sections.map(function(s) {
			return E('li', [ E('strong', [ titleOf(s) ]), ' ', aboutOf(s) ]);
		}))
	].concat(result.comments.length ? [
		E('p', [ _('Notes on it:') ]),
		E('ul', result.comments.map(function(c) { return E('li', [ c ]); }))
	] : []);
}

function button(label, cls, click) {
	return E('button', { 'type': 'button', 'class': 'btn cbi-button ' + cls, 'click': click }, [ label ]);
}

// ctx: { translate(text) -> promise, taken: names, take(sections, options of main) -> promise, cancel() }
function panel(ctx) {
	const area = E('textarea', { 'id': 'lk-import', 'class': 'lk-text', 'spellcheck': 'false',
		'placeholder': '[openSSH]\n\tsequence = 7000,8000,9000\n\tseq_timeout = 5\n\tcommand = ...' });
	const file = E('input', { 'type': 'file', 'id': 'lk-import-file', 'accept': '.conf,.fwknoprc,text/plain', 'change': function() {
		if (file.files[0])
			file.files[0].text().then(function(t) { area.value = t; });
	} });
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
	const out = E('div', { 'role': 'status' });
	const foot = E('div', { 'class': 'right button-row' });
	const fail = function(err) { element.say(error, err.message || String(err)); };

	function put(node, children) {
		while (node.firstChild)
			node.removeChild(node.firstChild);
		children.forEach(function(c) { node.appendChild(c); });
	}
	function read() {
		error.textContent = '';

		return ctx.translate(area.value).then(function(answer) {
			const result = parse(textOf(answer));
			const sections = usable(result.sections, ctx.taken);

			put(out, preview(result, sections));
			put(foot, [ button(_('Cancel'), '', ctx.cancel) ].concat(sections.length
				? [ document.createTextNode(' '), button(_('Take over'), 'cbi-button-action important', function() { ctx.take(sections, needs(result.sections)).catch(fail); }) ] : []));
		}).catch(fail);
	}
	put(foot, [ button(_('Cancel'), '', ctx.cancel), document.createTextNode(' '), button(_('Translate'), 'cbi-button-action important', read) ]);

	return E('div', [
		E('div', { 'class': 'lk-line' }, [ E('label', { 'for': 'lk-import-file' }, [ _('A file') ]), file ]),
		E('div', { 'class': 'lk-line' }, [ E('label', { 'for': 'lk-import' }, [ _('or its text') ]), area ]),
		error, out, foot
	]);
}

return baseclass.extend({
	parse: parse,
	usable: usable,
	panel: panel
});
