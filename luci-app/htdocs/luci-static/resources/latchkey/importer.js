// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.door as door';
'require latchkey.sequence as sequence';
'require latchkey.imported as imported';
'require latchkey.rules as rules';
'require latchkey.element as element';

// Import of a configuration of knockd or fwknop: the router translates it, and what it is in Latchkey's
// words is shown before anything is taken over. Needs only the DOM.

const E = element.make;

const ROOM = 500; // bytes of a request to uhttpd, which takes as many as latchkeyd import, for what is around the text
const SOME = 5;   // notes that are shown at once

// The text of a file, whatever an editor made of it: UTF-8, UTF-16 with its mark, or else Windows' own.
function decode(bytes) {
	const utf16 = (bytes[0] == 0xff && bytes[1] == 0xfe) ? 'utf-16le' : (bytes[0] == 0xfe && bytes[1] == 0xff) ? 'utf-16be' : '';
	let content;

	try {
		content = new TextDecoder(utf16 || 'utf-8', { fatal: true }).decode(bytes);
	}
	catch (err) {
		content = new TextDecoder('windows-1252').decode(bytes);
	}
	if (content.indexOf('\0') >= 0)
		throw new Error(_('This is no text file.'));

	return content;
}

function tooLarge(bytes) {
	return new Error(text.say(_('This has {n} kB, but at most {most} are read. Give the parts with knocks only.'), {
		n: Math.ceil(bytes / 1024), most: rules.IMPORTED / 1024 }));
}

// Resolves to the text of a file of the reader's.
function read(file) {
	return (file.size > rules.IMPORTED) ? Promise.reject(tooLarge(file.size))
		: file.arrayBuffer().then(function(b) { return decode(new Uint8Array(b)); });
}

// Refuses what the router's web server would cut off without a word.
function checked(content) {
	const bytes = new TextEncoder().encode(JSON.stringify(content)).length;

	if (content.trim() == '')
		throw new Error(_('There is nothing in it.'));
	if (bytes > rules.IMPORTED - ROOM)
		throw tooLarge(bytes);

	return content;
}

// The daemon's words for what became of parts of the file.
const OUTCOMES = {
	'usable as it is': function(n) { return text.say(N_(n, '{n} usable as it is', '{n} usable as they are'), { n: n }); },
	'usable in part': function(n) { return text.say(N_(n, '{n} usable in part', '{n} usable in part'), { n: n }); },
	'switched off until you have looked at it': function(n) { return text.say(N_(n, '{n} switched off until you have looked at it', '{n} switched off until you have looked at them'), { n: n }); },
	'not needed here': function(n) { return text.say(N_(n, '{n} not needed here', '{n} not needed here'), { n: n }); },
	'not translated': function(n) { return text.say(N_(n, '{n} not translated', '{n} not translated'), { n: n }); }
};

function counts(result) {
	return text.list(result.counts.map(function(c) { return OUTCOMES[c[0]] ? OUTCOMES[c[0]](c[1]) : c[1] + ' ' + c[0]; }));
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

function sectionLine(s) {
	return E('li', [ E('strong', [ titleOf(s) ]), ' ', aboutOf(s),
		(s.options.enabled == '0') ? [ ' ', E('span', { 'class': 'lk-badge lk-warn' }, [ _('switched off', 'state of an imported section') ]) ] : '' ]);
}

// Notes are the daemon's, in English.
function noteLines(notes) {
	const lines = function(list) { return list.map(function(n) { return E('p', { 'lang': 'en' }, [ n ]); }); };

	if (notes.length <= SOME)
		return E('div', { 'class': 'lk-notes' }, lines(notes));

	return E('div', { 'class': 'lk-notes' }, [ lines(notes.slice(0, SOME)), E('details', [
		E('summary', [ text.say(N_(notes.length - SOME, '{n} more note', '{n} more notes'), { n: notes.length - SOME }) ]), lines(notes.slice(SOME)) ]) ]);
}

// One part of the file: what it was, what it becomes, and why something is missing.
function groupItem(group, kept) {
	const own = group.sections.filter(function(s) { return kept.indexOf(s) >= 0; });

	return E('li', { 'class': own.length ? 'lk-taken' : 'lk-left' }, [
		E('div', [ E('code', [ group.title ]), own.length ? '' : [ ' ', E('span', { 'class': 'lk-badge lk-quiet' }, [ _('nothing of it', 'import') ]) ] ]),
		own.length ? E('ul', own.map(sectionLine)) : '',
		group.notes.length ? noteLines(group.notes) : '' ]);
}

function preview(result, kept) {
	const grouped = [].concat.apply([], result.groups.map(function(g) { return g.sections; }));
	const alone = kept.filter(function(s) { return grouped.indexOf(s) < 0; });

	return [
		E('p', [ E('strong', [ result.from ? text.say(_('Read as {file}.'), { file: result.from }) : '' ]), ' ', counts(result) ]),
		E('p', [ kept.length ? text.say(N_(kept.length, '{n} section to take over:', '{n} sections to take over:'), { n: kept.length })
			: _('There is no knock in it that can be taken over.') ]),
		E('div', { 'class': 'lk-preview', 'tabindex': '0', 'role': 'region', 'aria-label': _('What becomes what') }, [
			E('ul', alone.map(sectionLine).concat(result.groups.map(function(g) { return groupItem(g, kept); }))),
			result.about.length ? [ E('p', [ _('Notes on it:') ]), noteLines(result.about) ] : '' ]),
		kept.length ? E('p', { 'class': 'lk-terms' }, [ _('What is taken over comes into force with “Save & Apply”. Nothing that runs is switched off by it.') ]) : ''
	];
}

// The daemon's answer: the text, in whatever wrapping.
function textOf(answer) {
	return (typeof(answer) == 'string') ? answer : (answer.text || answer.uci || answer.config || '');
}

function button(label, cls, click) {
	return E('button', { 'type': 'button', 'class': 'btn cbi-button ' + cls, 'click': click }, [ label ]);
}

function put(node, children) {
	node.replaceChildren.apply(node, [ children ].flat(Infinity).filter(Boolean));
}

// ctx: { translate(text) -> promise, taken: names, take(sections, options of main) -> promise, cancel() }
function panel(ctx) {
	const area = E('textarea', { 'id': 'lk-import', 'class': 'lk-text', 'spellcheck': 'false',
		'placeholder': '[openSSH]\n\tsequence = 7000,8000,9000\n\tseq_timeout = 5\n\tcommand = ...' });
	const file = E('input', { 'type': 'file', 'id': 'lk-import-file', 'change': function() {
		if (file.files[0])
			show(read(file.files[0]));
	} });
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
	const out = E('div', { 'role': 'status' });
	const foot = E('div', { 'class': 'right button-row' });
	let asked = 0;

	function buttons(more) {
		put(foot, [ button(_('Cancel'), '', ctx.cancel), document.createTextNode(' '), more ]);
	}
	function fail(err) {
		element.say(error, err.message || String(err));
	}

	// Shows what becomes of a text that is on its way. Only the last one that was asked for counts.
	function show(content) {
		const mine = ++asked;

		error.textContent = '';
		put(out, []);
		buttons(button(_('Translate'), 'cbi-button-action important', translate));

		return content.then(checked).then(ctx.translate).then(function(answer) {
			const result = imported.parse(textOf(answer));
			const sections = imported.usable(result.sections, ctx.taken);

			if (mine != asked)
				return;
			put(out, preview(result, sections));
			buttons(sections.length ? button(_('Take over'), 'cbi-button-action important', function(ev) {
				ev.currentTarget.disabled = true; // a second press would take it over twice
				ctx.take(sections, imported.needs(result.sections)).catch(function(err) {
					fail(err);
					ev.target.disabled = false;
				});
			}) : []);
		}).catch(function(err) {
			if (mine == asked)
				fail(err);
		});
	}
	function translate() {
		return show(Promise.resolve(area.value));
	}
	area.addEventListener('input', function() { file.value = ''; });
	buttons(button(_('Translate'), 'cbi-button-action important', translate));

	return E('div', [
		E('p', [ _('A knockd.conf, an access.conf or .fwknoprc of fwknop, or the OpenWrt configuration of either.') ]),
		E('div', { 'class': 'lk-line' }, [ E('label', { 'for': 'lk-import-file' }, [ _('A file') ]), file ]),
		E('div', { 'class': 'lk-line' }, [ E('label', { 'for': 'lk-import' }, [ _('or its text') ]), area ]),
		error, out, foot
	]);
}

return baseclass.extend({
	OUTCOMES: OUTCOMES,
	decode: decode,
	panel: panel
});
