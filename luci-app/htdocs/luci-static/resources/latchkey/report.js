// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.stealth as stealth';
'require latchkey.element as element';

// The findings of the stealth check as page elements. Needs only the DOM.

const E = element.make;

function label(level) {
	return { open: _('open', 'stealth check'), answers: _('answers', 'stealth check'), silent: _('silent', 'stealth check') }[level];
}

function badge(level) {
	return E('span', { 'class': 'lk-badge lk-' + ((level == 'open') ? 'exposed' : level) }, [ label(level) ]);
}

function row(finding, propose) {
	const isByHand = propose && !finding.change && finding.level != 'silent';

	return E('li', { 'class': 'lk-finding', 'data-id': finding.id }, [
		badge(finding.level),
		E('div', [ E('strong', [ finding.title ]), E('div', { 'class': 'lk-todo' }, [ finding.detail ]),
			isByHand ? E('div', { 'class': 'lk-todo' }, [ _('Change it under Network › Firewall.') ]) : '' ]),
		(finding.change && propose) ? E('button', {
			'class': 'btn cbi-button cbi-button-action',
			'aria-label': _('Make silent…') + ' ' + text.isolated(finding.title),
			'click': function() { propose(finding); }
		}, [ _('Make silent…') ]) : ''
	]);
}

const ORDER = { open: 0, answers: 1, silent: 2 };

// What no setting of the firewall can hide.
function limits() {
	return E('p', { 'class': 'lk-terms' }, [
		_('Not checked: what your provider’s equipment in front of the router answers, and what neighbours on the same line can see.')
	]);
}

// propose(finding) shows a change; without it there are no buttons.
function page(findings, propose) {
	const v = stealth.verdict(findings);
	const sorted = findings.slice().sort(function(a, b) { return ORDER[a.level] - ORDER[b.level]; });

	return E('div', [
		E('div', { 'class': 'lk-banner', 'role': 'status' }, [
			E('div', { 'class': 'lk-fact lk-' + ({ open: 'bad', answers: 'warn', silent: 'good' }[v.level]) }, [
				E('span', { 'class': 'lk-mark', 'aria-hidden': 'true' }, [ { open: '✗', answers: '!', silent: '✓' }[v.level] ]),
				E('div', [ E('strong', [ v.text ]), v.todo ? E('div', { 'class': 'lk-todo' }, [ v.todo ]) : '' ])
			])
		]),
		E('p', { 'class': 'lk-terms' }, [ badge('open'), ' ' + _('a service can be reached by everybody'), ' · ', badge('answers'), ' ' + _('a stranger can learn that somebody is there'),
			' · ', badge('silent'), ' ' + _('nothing comes back') ]),
		E('ul', { 'class': 'lk-findings' }, sorted.map(function(f) { return row(f, propose); })),
		limits()
	]);
}

function sectionTitle(section) {
	return [ section['.type'], section.name ].filter(Boolean).join(' ') || '?';
}

function optionLine(option, value) {
	return option + ' = ' + [].concat(value).join(' ');
}

// A change as removed and added lines. lookup(section) returns the section.
function diff(change, lookup) {
	return E('div', { 'class': 'lk-diff' }, change.reduce(function(all, c) {
		return all.concat([
			E('strong', [ 'firewall: ' + sectionTitle(lookup(c.section)) ]),
			E('del', [ optionLine(c.option, c.from) ]),
			E('ins', [ optionLine(c.option, c.to) ])
		]);
	}, []));
}

return baseclass.extend({
	page: page,
	diff: diff
});
