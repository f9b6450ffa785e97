// SPDX-License-Identifier: Apache-2.0
'use strict';
'require poll';
'require latchkey.api as api';
'require latchkey.page as page';
'require latchkey.event as event';
'require latchkey.status as status';
'require latchkey.element as element';

const E = element.make;

const POLL = 3; // seconds

let root = null, seen = null, now = null;
const chosen = { group: '', door: '', client: '' };

function passes(e) {
	return (chosen.group == '' || event.group(e) == chosen.group) &&
		(chosen.door == '' || e.door == chosen.door) &&
		(chosen.client == '' || e.client == chosen.client);
}

function draw(data) {
	const print = status.fingerprint(data[0], data[1]) + JSON.stringify(chosen);

	if (print == seen)
		return;
	seen = print;
	now = data;
	status.replace(root, [ status.eventList(data[1].filter(passes), status.names(data[0]), data[0].now || Date.now(),
		data[1].length ? _('No event fits this choice.') : _('Nothing has happened since the router started.')) ]);
}

function refresh() {
	return Promise.all([ api.status(), api.events(0) ]).then(draw);
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

		return Promise.all([ api.status(), api.events(0) ]);
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
				filter('group', _('Show'), [ [ 'doors', _('doors opening and closing') ], [ 'refused', _('refused knocks') ], [ 'system', _('system') ] ]),
				filter('door', _('Door'), named(data[0].doors)),
				filter('client', _('Client'), named(data[0].clients))
			]),
			root
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
