// SPDX-License-Identifier: Apache-2.0
'use strict';
'require poll';
'require latchkey.api as api';
'require latchkey.page as page';
'require latchkey.radar as radar';
'require latchkey.status as status';
'require latchkey.element as element';

const E = element.make;

const POLL = 10; // seconds

let place = null, detail = null, parts = {}, last = null, width = 0;

function picture() {
	width = place.clientWidth;
	if (last && width)
		status.replace(place, [ radar.picture(last, width) ]);
}

// What the pointer or a finger is at.
function point(ev) {
	const bar = ev.target.closest('[data-say]');

	if (bar)
		element.say(detail, bar.getAttribute('data-say'));
}

function draw(answer) {
	parts.body.hidden = !!answer.error;
	status.replace(parts.failed, answer.error ? [ E('p', { 'class': 'lk-empty' }, [ answer.hint ? answer.error + ' (' + answer.hint + ')' : answer.error ]) ] : []);
	if (answer.error || JSON.stringify(answer) == JSON.stringify(last))
		return;
	last = answer;
	element.say(parts.said, radar.summary(answer));
	picture();
	status.replace(parts.notes, radar.notes(answer).map(function(n) { return E('p', [ n ]); }));
	status.replace(parts.days, [ radar.days(answer) ]);
	status.replace(parts.services, [ radar.services(answer) ]);
	status.replace(parts.senders, [ radar.senders(answer) ]);
}

function refresh() {
	return api.radar().then(draw);
}

return page.makeView({
	load: function() {
		page.style();

		return api.radar();
	},

	render: function(answer) {
		place = E('div', { 'class': 'lk-tl-place', 'mouseover': point, 'click': point });
		detail = E('p', { 'class': 'lk-tl-detail', 'aria-hidden': 'true' });
		parts = { failed: E('div'), said: E('p', { 'class': 'lk-tl-said' }), notes: E('div', { 'class': 'lk-tl-notes' }), days: E('div'), services: E('div'), senders: E('div') };
		parts.body = E('div', [
			E('section', [ E('h3', [ _('Attempts per hour') ]), parts.said, place, detail, parts.notes,
				E('details', { 'class': 'lk-tl-more' }, [ E('summary', [ _('As a table') ]), parts.days ]) ]),
			E('section', [ E('h3', [ _('Most asked for') ]), parts.services ]),
			E('section', [ E('h3', [ _('Most active senders') ]),
				E('p', { 'class': 'lk-terms' }, [ _('Anybody can send in somebody else’s name, so an address here is a hint and no proof. Latchkey does nothing about it.') ]),
				parts.senders ])
		]);
		new ResizeObserver(function() {
			if (place.clientWidth != width) // not the height, which the picture sets
				picture();
		}).observe(place);
		draw(answer);
		poll.add(refresh, POLL);

		return E('div', { 'class': 'lk' }, [
			E('h2', [ _('Radar') ]),
			E('div', { 'class': 'cbi-map-descr' }, [ _('Who tries the closed ports of this router, from outside.') ]),
			parts.failed, parts.body
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
