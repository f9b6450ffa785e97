// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.syntax as syntax';
'require latchkey.valid as valid';
'require latchkey.rules as rules';
'require latchkey.door as door';
'require latchkey.sequence as sequence';
'require latchkey.fields as fields';
'require latchkey.element as element';
'require latchkey.finder as finder';

// The rows of the lists, which read as sentences. Sections in, nodes out; needs only the DOM.

const E = element.make;

const NAMED = 8; // of the names in a cell

function titled(section) {
	return section.title || section['.name'];
}

function some(names, n) {
	return text.some(names, NAMED, _('{n} others', 'in a cell of a table'), n);
}

function doorRow(section, namer, conflicts) {
	return E('div', { 'class': 'lk lk-row' }, [
		E('div', [ door.sentence(section, namer) ]),
		section.dest_ip6 ? E('small', [ text.say(_('IPv6: {address}'), { address: section.dest_ip6 }) ]) : '',
		section.wake ? E('small', [ _('A knock wakes the host.') ]) : ''
	].concat(fields.conflictList(conflicts)));
}

function openersRow(clients, sequences) {
	const lines = [];

	if (clients.length)
		lines.push(E('div', [ some(clients.map(titled)) ]));
	if (sequences.length)
		lines.push(E('small', [ text.say(N_(sequences.length, 'and by sequence {names}', 'and by sequences {names}'), {
			names: some(sequences.map(titled)) }) ]));

	return E('div', { 'class': 'lk lk-row' }, lines.length ? lines : [ E('em', [ _('nobody yet') ]) ]);
}

function timeRow(section) {
	const openFor = section.open_for || rules.DEFAULTS.openFor;
	const own = valid.seconds(openFor) || 0;
	const most = section.max_open ? valid.seconds(section.max_open) || 0 : Math.max(own, valid.seconds(rules.DEFAULTS.maxOpen));

	return E('div', { 'class': 'lk lk-row' }, [
		E('div', [ text.duration(own) ]),
		(most > own) ? E('small', [ text.say(_('at most {time}'), { time: text.duration(most) }) ]) : ''
	]);
}

// Whether a client has all the keys that its kind needs.
function hasKeys(section) {
	if (section.kind != 'fwknop')
		return !!section.key;

	return !!(section.key || section.key_text) && !!(section.hmac_key || section.hmac_key_text);
}

function clientKind(section) {
	return E('div', { 'class': 'lk lk-row' }, [
		E('div', [ (section.kind == 'fwknop') ? _('fwknop keys') : _('a Latchkey key') ]),
		hasKeys(section) ? '' : E('small', { 'class': 'lk-error' }, [ _('has no key yet') ])
	]);
}

// more: of doors beside those in value.
function doorList(value, doors, more) {
	const all = syntax.words(value);
	const titles = all.slice(0, NAMED + 1).map(function(name) {
		const d = doors.find(function(x) { return x['.name'] == name; });

		return d ? titled(d) : text.say(_('“{name}”, which does not exist'), { name: name });
	});

	return E('div', { 'class': 'lk lk-row' }, [ titles.length ? some(titles, all.length + (more || 0)) : E('em', [ _('no door yet') ]) ]);
}

// The last day of an expiry. The configuration names the day; the daemon says when it has ended.
function lastDay(expires) {
	const end = (/^\d{4}-\d{2}-\d{2}$/).test(expires) ? Date.parse(expires) : Date.parse(expires) - 1;

	return new Intl.DateTimeFormat(text.locale(), { dateStyle: 'medium', timeZone: 'UTC' }).format(end);
}

// state: the daemon's word on this client, or nothing.
function clientState(section, state, now) {
	const lines = [];

	if (state && state.state == 'expired')
		lines.push(E('div', { 'class': 'lk-warn-text' }, [ _('Its time is over.') ]));
	else if (state && state.last)
		lines.push(E('div', [ text.say(_('Last knock {ago}.'), { ago: text.ago((now - new Date(state.last)) / 1000) }) ]));
	else
		lines.push(E('div', [ _('No knock since the last start.') ]));
	if (section.expires)
		lines.push(E('small', [ text.say(_('Until {day}.'), { day: lastDay(section.expires) }) ]));

	return E('div', { 'class': 'lk lk-row' }, lines);
}

function chips(steps) {
	return E('div', { 'class': 'lk-chips' }, sequence.words(steps).map(function(w) {
		return E('span', { 'class': 'lk-chip' }, [ w ]);
	}));
}

function sequenceRow(section) {
	const steps = syntax.words(section.step);
	const once = [].concat(section.once || []);

	return E('div', { 'class': 'lk lk-row' }, [
		steps.length ? chips(steps) : E('div', [ text.say(N_(once.length, '{n} one-time sequence', '{n} one-time sequences'), { n: once.length }) ]),
		E('small', [ text.say(_('within {time}'), { time: text.duration(valid.seconds(section.within || rules.DEFAULTS.within) || 0) }) ]),
		once.length ? '' : E('span', { 'class': 'lk-badge lk-pending' }, [ _('can be replayed') ])
	]);
}

// What is weak about steps, or how strong they are.
function judgement(steps) {
	if (!steps.length)
		return E('em', [ _('No steps yet.') ]);

	const weak = sequence.judge(steps);

	if (weak.length)
		return E('div', fields.conflictList(weak));

	return E('div', { 'class': 'lk-conflict' }, [ E('span', { 'class': 'lk-badge lk-good' }, [ _('strong') ]),
		E('span', [
		text.say(_('About 2 to the power of {n} tries to guess. Who sees it on its way can still replay it.'), { n: sequence.bits(steps) }) ]) ]);
}

// The clients as an account sees them that may only look.
function clientsLook(status, now) {
	const titles = (status.doors || []).map(function(d) { return { '.name': d.name, title: d.title }; });

	if (!(status.clients || []).length)
		return E('p', { 'class': 'lk-empty' }, [ _('No client may knock yet.') ]);

	const list = finder.list(_('Find a client'), function(n) { return text.say(_('Show all {n} clients'), { n: n }); });

	list.show(status.clients.map(function(c) {
		return { words: (c.title || '') + ' ' + c.name, node: function() { return look(c); } };
	}));

	function look(c) {
		return E('article', { 'class': 'lk-door', 'aria-label': c.title || c.name }, [
			E('header', [ E('h4', [ c.title || c.name ]),
				(c.state == 'ready') ? '' : E('span', { 'class': 'lk-badge lk-off' }, [
					(c.state == 'expired') ? _('expired') : _('switched off', 'state of a client') ]) ]),
			doorList(c.doors, titles, c.more_doors),
			clientState({ expires: c.expires }, c, now)
		]);
	}

	return list.node;
}

return baseclass.extend({
	doorRow: doorRow,
	openersRow: openersRow,
	timeRow: timeRow,
	clientKind: clientKind,
	doorList: doorList,
	clientState: clientState,
	sequenceRow: sequenceRow,
	judgement: judgement,
	clientsLook: clientsLook
});
