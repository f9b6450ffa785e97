// SPDX-License-Identifier: Apache-2.0
'use strict';
'require poll';
'require latchkey.api as api';
'require latchkey.page as page';
'require latchkey.text as text';
'require latchkey.event as event';
'require latchkey.status as status';
'require latchkey.eventlist as eventlist';
'require latchkey.element as element';

const E = element.make;

const POLL = 3;     // seconds
const SOME = 100;   // events that are shown at first, and more at a press

const ask = api.follow();
const chosen = { group: '', door: '', client: '' };
let root = null, seen = null, now = null, most = SOME;

function passes(e) {
	return (chosen.group == '' || event.group(e) == chosen.group) &&
		(chosen.door == '' || e.door == chosen.door) &&
		(chosen.client == '' || e.client == chosen.client);
}

// What to say of a list that is empty.
function nothing(data) {
	if (data.status.running !== true)
		return _('Events are kept by the service, which does not answer now.');

	return data.events.length ? _('No event fits this choice.') : _('Nothing has happened since the router started.');
}

function more(all) {
	return E('p', [ E('button', { 'type': 'button', 'class': 'btn cbi-button', 'data-key': 'more', 'click': function() {
		most += SOME;
		draw(now);
	} }, [ text.say(N_(all - most, 'Show older ones ({n})', 'Show older ones ({n})'), { n: all - most }) ]) ]);
}

function draw(data) {
	const print = status.fingerprint(data.status, data.events) + JSON.stringify([ chosen, most, new Date(data.status.now || data.at).toDateString() ]);

	if (print == seen)
		return;
	seen = print;
	now = data;

	const fitting = data.events.filter(passes);

	status.replace(root, [ eventlist.list(fitting.slice(-most), {
		names: status.names(data.status), now: data.status.now || data.at, unset: status.isUnset(data.status),
		folds: chosen.group != 'system', empty: nothing(data), level: 'h3'
	}) ].concat((fitting.length > most) ? more(fitting.length) : []));
}

function refresh() {
	return ask().then(draw);
}

function filter(key, label, choices) {
	const select = E('select', { 'class': 'cbi-input-select', 'change': function(ev) {
		chosen[key] = ev.currentTarget.value;
		draw(now);
	} }, [ E('option', { 'value': '' }, [ _('all') ]) ].concat(choices.map(function(c) {
		return E('option', { 'value': c[0] }, [ c[1] ]);
	})));

	return E('label', [ label, select ]);
}

function named(list) {
	return (list || []).map(function(item) { return [ item.name, item.title || item.name ]; });
}

return page.makeView({
	load: function() {
		page.style();

		return ask();
	},

	render: function(data) {
		root = E('div', { 'aria-live': 'polite' });
		draw(data);
		poll.add(refresh, POLL);

		return E('div', { 'class': 'lk' }, [
			E('h2', [ _('Events') ]),
			E('div', { 'class': 'cbi-map-descr' }, [
				_('What happened, newest first; a reboot of the router forgets it. A refused knock is never answered; its reason stands here only.')
			]),
			E('div', { 'class': 'lk-filter' }, [
				filter('group', _('Show'), [ [ 'doors', _('doors opening and closing') ], [ 'refused', _('refused knocks') ], [ 'scan', _('scans of closed ports') ], [ 'system', _('system') ] ]),
				filter('door', _('Door'), named(data.status.doors)),
				filter('client', _('Client'), named(data.status.clients))
			]),
			root
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
