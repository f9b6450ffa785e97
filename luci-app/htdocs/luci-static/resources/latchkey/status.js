// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.event as event';
'require latchkey.element as element';
'require latchkey.finder as finder';

// What the daemon says, as page elements. Needs only the DOM; what buttons do is handed in.

const E = element.make;

const SHOWN = 8;         // grants of a door that its card shows at first
const SHOWN_OF_MANY = 3; // the same where there are many doors
const PATIENCE = 20;     // seconds that a slow router may take to start the daemon

function titles(list) {
	return (list || []).reduce(function(all, item) {
		all[item.name] = item.title || item.name;

		return all;
	}, Object.create(null)); // a section may be called constructor
}

// Whether the router's clock shows no real date: it has none, and no time server was reached yet.
function isUnset(status) {
	return status.clock == 'free' && status.clock_reason == 'unset';
}

// Titles by name, for sentences about events.
function names(status) {
	return { doors: titles(status.doors), clients: titles(status.clients) };
}

function hears(device) {
	return device.state == 'up' && !device.problem;
}

// What there is to say of a device that is not heard, or not filtered as it should be.
function deviceNote(d) {
	if (d.problem)
		return { level: 'bad', text: text.say(_('Network device {device} cannot be listened to, so no knock can arrive there.'), { device: d.name }),
			todo: d.problem };
	if (d.state == 'missing')
		return { level: 'warn', text: text.say(_('Network device {device} does not exist at the moment, so no knock can arrive there.'), { device: d.name }),
			todo: _('Latchkey listens again as soon as it is back.') };
	if (d.state != 'up')
		return { level: 'warn', text: text.say(_('Network device {device} is down, so no knock can arrive there.'), { device: d.name }),
			todo: _('Latchkey listens again as soon as it is back.') };
	if (d.coarse)
		return { level: 'warn', text: text.say(_('The kernel has too little room for the filter of network device {device}: knocks work, but a flood of packets makes the router work harder.'),
			{ device: d.name }), todo: d.coarse };

	return null;
}

function deviceNotes(status) {
	return (status.devices || []).map(deviceNote).filter(Boolean);
}

// How the daemon is: 'running'; 'off', switched off; 'starting'; 'ended', it did not start or ended;
// 'hung', it runs and does not answer; 'absent', 'denied', 'lost': nobody answers for it, see api.status.
// waited: seconds for which it has not run, as far as this page saw.
function phase(status, waited) {
	if (status.running)
		return 'running';
	if (status.running == null)
		return status.error ? 'hung' : status.failed || 'lost';
	if (!status.enabled)
		return 'off';

	return (status.reason || status.process == 'ended' || waited > PATIENCE) ? 'ended' : 'starting';
}

// What to say of a daemon that does not run.
function absence(which, status) {
	switch (which) {
	case 'off':
		return { level: 'warn', text: _('Latchkey is switched off: all doors stay closed.'), todo: status.reason, action: 'enable' };
	case 'starting':
		return { level: 'wait', text: _('Latchkey is starting.'), todo: _('Doors open as soon as it runs.') };
	case 'ended':
		return { level: 'bad', text: _('Latchkey is not running: all doors stay closed.'),
			todo: status.reason || _('It did not start, or has ended; the system log tells why.'), action: 'restart' };
	case 'hung':
		return { level: 'bad', text: _('Latchkey runs, but does not answer.'),
			todo: _('Which doors are open cannot be told; each closes on time by itself. The system log may tell what holds it up.'), action: 'restart' };
	case 'absent':
		return { level: 'bad', text: _('The router does not know Latchkey’s service.'),
			todo: _('If you installed it a moment ago, log in again or restart the router once.') };
	case 'denied':
		return { level: 'bad', text: _('The router does not let this login see Latchkey.'), todo: _('Log in again, or with another account.') };
	default:
		return { level: 'bad', text: _('The router does not answer.'), todo: _('This page goes on trying.') };
	}
}

// Why the router's clock is right or may be wrong, by the daemon's words (package clock).
const CLOCK = {
	ntp: function() { return _('The router’s clock is right: set by NTP {ago}.'); },
	kernel: function() { return _('The router’s clock is right, says its kernel.'); },
	unset: function() { return _('The router’s clock is not set yet.'); },
	unsync: function() { return _('The router’s clock may be wrong: NTP said {ago} that no time server answers.'); },
	silent: function() { return _('The router’s clock may be wrong: the last word of NTP came {ago}.'); },
	moved: function() { return _('The router’s clock may be wrong: it was set by something else than NTP.'); },
	given: function(right) { return right ? _('The router’s clock is right.') : _('The router’s clock may be wrong.'); }
};

function clockFact(status) {
	const right = status.clock == 'synchronised';
	const sentence = CLOCK[status.clock_reason] || CLOCK.given; // without a reason while it changes
	const fact = { level: right ? 'good' : 'warn', text: text.say(sentence(right), {
		ago: text.ago((new Date(status.now) - new Date(status.clock_since || status.now)) / 1000) }) };

	if (!right)
		fact.todo = _('Knocks work, but cannot be told from old ones by their time until the router has reached a time server.');

	return fact;
}

// What the owner should know before anything else: [{ level: 'good'|'wait'|'warn'|'bad', text, todo, action }].
// action 'enable' or 'restart' is what would mend it.
function facts(status, waited) {
	const which = phase(status, waited || 0);

	if (which != 'running')
		return [ absence(which, status) ];

	const out = [];
	const up = (status.devices || []).filter(hears);

	if (status.problem)
		out.push({ level: 'bad', text: _('The new configuration was refused; the old one stays in force.'), todo: status.problem });
	if (up.length)
		out.push({ level: 'good', text: text.say(_('Running, and listening on {devices}.'), {
			devices: text.list(up.map(function(d) { return d.name; })) }) });
	else
		out.push({ level: 'bad', text: _('Running, but no network device is there to listen on.'),
			todo: _('Check the interfaces under Network.') });
	out.push(clockFact(status));
	if (status.nearly_full)
		out.push({ level: 'warn', text: text.say(_('{n} of {most} grants are in use.'), { n: status.grants, most: status.max_grants }),
			todo: _('When there are no more, knocks open nothing until one ends.') });

	return out.concat(deviceNotes(status).filter(function(note) { return up.length || note.level == 'bad'; }));
}

// The facts as a box. act(action) makes the button for an action, or nothing.
function banner(status, act, waited) {
	return E('div', { 'class': 'lk-banner', 'role': 'status' }, facts(status, waited).map(function(f) {
		const button = (f.action && act) ? act(f.action) : null;

		return E('div', { 'class': 'lk-fact lk-' + f.level }, [
			E('span', { 'class': 'lk-mark', 'aria-hidden': 'true' }, [ { good: '✓', wait: '…', warn: '!', bad: '✗' }[f.level] ]),
			E('div', [
				E('strong', [ f.text ]),
				f.todo ? E('div', { 'class': 'lk-todo' }, [ f.todo ]) : ''
			]),
			button ? E('div', { 'class': 'lk-act' }, [ button ]) : ''
		]);
	}));
}

function stateOf(door) {
	if (door.state == 'disabled')
		return { id: 'off', label: _('switched off', 'state of a door') };
	if (door.state == 'stopped')
		return { id: 'closed', label: _('closed', 'state of a door') };
	if (door.state == 'unknown')
		return { id: 'off', label: _('not known', 'state of a door') };
	if (door.state == 'pending')
		return { id: 'pending', label: _('waits for the firewall', 'state of a door') };
	if (door.state == 'broken')
		return { id: 'broken', label: _('cannot be opened', 'state of a door') };

	return (door.grants || []).length
		? { id: 'open', label: _('open', 'state of a door') }
		: { id: 'closed', label: _('closed', 'state of a door') };
}

// Why a door is broken, in the reader's language where the daemon's words are known.
function problem(why) {
	const zone = why.match(/^the firewall has no zone '([^']*)'/);

	if (zone)
		return text.say(_('The firewall has no zone {zone}. Choose another one in the door’s advanced settings.'), { zone: zone[1] });
	if ((/^the firewall has no set/).test(why))
		return _('The firewall has not loaded this door. Is it running? The system log tells why.');
	if ((/^no rule of the firewall/).test(why))
		return _('The firewall has left out this door’s rule. The command “fw4 check” tells why.');

	return why;
}

function badge(state) {
	return E('span', { 'class': 'lk-badge lk-' + state.id }, [ state.label ]);
}

function terms(door) {
	return (door.open_for == door.max_open)
		? text.say(_('Opens for {time}.'), { time: text.duration(door.open_for) })
		: text.say(_('Opens for {time}, at most {most}.'), {
			time: text.duration(door.open_for), most: text.duration(door.max_open) });
}

// A countdown that tick() keeps going. at: milliseconds of the browser's clock at which left was true.
function timer(left, whole, at) {
	return E('span', { 'class': 'lk-timer', 'data-end': String(at + left * 1000), 'data-whole': String(whole) }, [
		E('time', { 'datetime': text.isoDuration(left) }, [ text.countdown(left) ]),
		E('span', { 'class': 'lk-bar', 'aria-hidden': 'true' }, [ E('i', { 'style': 'width:' + share(left, whole) + '%' }) ])
	]);
}

function share(left, whole) {
	return Math.round(Math.min(1, Math.max(0, left / (whole || 1))) * 100);
}

// Moves every countdown below root to the time at, in milliseconds of the browser's clock.
function tick(root, at) {
	root.querySelectorAll('.lk-timer').forEach(function(node) {
		const left = Math.max(0, (+node.getAttribute('data-end') - at) / 1000);

		node.querySelector('time').textContent = text.countdown(left);
		node.querySelector('time').setAttribute('datetime', text.isoDuration(left));
		node.querySelector('i').style.width = share(left, +node.getAttribute('data-whole')) + '%';
	});
}

function who(grant, known) {
	const client = grant.client ? (known.clients[grant.client] || grant.client) : '';
	const way = event.how(grant.knock);

	return [ client, way ].filter(function(s) { return s != ''; }).map(text.isolated).join(', ');
}

function grantRow(door, grant, ctx) {
	return E('li', { 'class': 'lk-grant' }, [
		E('div', { 'class': 'lk-who' }, [
			E('code', [ grant.address ]),
			E('small', [ who(grant, ctx.names) ]),
			grant.pending ? E('small', { 'class': 'lk-warn-text' }, [ _('waits for the firewall', 'state of a door') ]) : ''
		]),
		timer(grant.left, door.open_for, ctx.at),
		ctx.close ? E('button', {
			'class': 'btn cbi-button cbi-button-negative',
			'data-key': 'close/' + door.name + '/' + grant.address,
			'aria-label': [ _('Close now'), door.title || door.name, grant.address ].map(text.isolated).join(' '),
			'click': function(ev) { return ctx.close(ev, door, grant); }
		}, [ _('Close now') ]) : ''
	]);
}

// The grants of a door: the first few and, where drawn remembers it, the others when they are asked for.
function grantRows(door, ctx) {
	const all = door.grants || [], drawn = ctx.drawn;
	const few = (drawn && drawn.whole.has(door.name)) ? all.length : ctx.few || SHOWN;
	const row = function(g) { return grantRow(door, g, ctx); };
	const list = E('ul', { 'class': 'lk-grants', 'tabindex': '-1' }, all.slice(0, few).map(row));
	const rest = (door.more || 0) + (drawn ? 0 : Math.max(0, all.length - few));

	return E('div', [ list,
		(drawn && all.length > few) ? E('button', { 'type': 'button', 'class': 'btn cbi-button', 'data-key': 'whole/' + door.name, 'click': function(ev) {
			drawn.whole.add(door.name);
			all.slice(few).forEach(function(g) { list.appendChild(row(g)); });
			ev.currentTarget.remove();
			list.focus();
		} }, [ text.say(_('Show {n} addresses'), { n: all.length }) ]) : '',
		rest ? E('p', { 'class': 'lk-terms' }, [
			text.say(N_(rest, '{n} more address is not listed here.', '{n} more addresses are not listed here.'), { n: rest }) ]) : '' ]);
}

// How many addresses a door is open for, listed or not.
function openFor(door) {
	return (door.grants || []).length + (door.more || 0);
}

// One door with its grants. ctx: { names, at, open(ev, door), close(ev, door, grant), about(door), drawn };
// without open and close there are no buttons, and without a grant all of them are closed.
function doorCard(door, ctx) {
	const state = stateOf(door);
	const grants = door.grants || [];
	const about = ctx.about ? ctx.about(door) : '';

	return E('article', { 'class': 'lk-door lk-is-' + state.id, 'aria-label': door.title || door.name }, [
		E('header', [ E('h4', [ door.title || door.name ]), badge(state) ]),
		about ? E('p', { 'class': 'lk-about' }, [ about ]) : '',
		door.reason ? E('p', { 'class': 'lk-warn-text' }, [ problem(door.reason) ]) : '',
		E('p', { 'class': 'lk-terms' }, [ terms(door) ]),
		grants.length ? grantRows(door, ctx) : '',
		(ctx.open && state.id != 'off' && state.id != 'broken' && door.state != 'stopped') ? E('div', { 'class': 'lk-foot' }, [
			E('button', {
				'class': 'btn cbi-button cbi-button-action',
				'data-key': 'open/' + door.name,
				'aria-label': _('Open for an address…') + ' ' + text.isolated(door.title || door.name),
				'click': function(ev) { return ctx.open(ev, door); }
			}, [ _('Open for an address…') ]),
			(ctx.close && openFor(door) > 1) ? E('button', {
				'class': 'btn cbi-button cbi-button-negative',
				'data-key': 'close/' + door.name,
				'aria-label': _('Close for all…') + ' ' + text.isolated(door.title || door.name),
				'click': function(ev) { return ctx.close(ev, door, null); }
			}, [ _('Close for all…') ]) : ''
		]) : ''
	]);
}

// The state of the door of a name, for a list: open, closed, broken and why. at is as in doorCard. What the
// daemon does not know was not applied yet, and is hidden by a daemon that says nothing.
function doorState(status, name, at) {
	const door = (status.doors || []).find(function(d) { return d.name == name; });

	if (status.running == null)
		return E('em', [ _('not known', 'state of a door') ]);
	if (!door)
		return E('em', [ status.running ? _('not in force yet', 'state of a door') : _('closed', 'state of a door') ]);

	// Of a door with more grants than are listed nobody here knows the longest.
	const longest = door.more ? 0 : (door.grants || []).reduce(function(most, g) { return Math.max(most, g.left); }, 0);

	return E('div', { 'class': 'lk-row lk-state' }, [ badge(stateOf(door)),
		longest ? timer(longest, door.open_for, at) : '',
		door.reason ? E('small', [ problem(door.reason) ]) : '' ]);
}

// What a page remembers of the cards that it has drawn: { cards, whole, list }, see ctx of doorCards.
function drawn() {
	return {
		cards: new Map(), // by the doors' names
		whole: new Set(), // names of doors of which all grants are shown
		list: finder.list(_('Find a door'), function(n) { return text.say(_('Show all {n} doors'), { n: n }); })
	};
}

// Where there are more doors than are shown at first, those come first of which there is something to see.
const ORDER = [ 'open', 'broken', 'pending', 'closed', 'off' ];

// The cards of all doors; ctx as in doorCard, with drawn where the page draws them again and again.
function doorCards(status, ctx) {
	const doors = status.doors || [], known = ctx.drawn || drawn();
	const rank = function(d) { return ORDER.indexOf(stateOf(d).id); };

	if (!doors.length)
		return E('p', { 'class': 'lk-empty' }, [ _('There is no door yet.') ]);

	const isMany = doors.length > finder.FEW;
	const own = Object.assign({}, ctx, { drawn: known, few: isMany ? SHOWN_OF_MANY : SHOWN });

	known.list.show((isMany ? doors.slice().sort(function(a, b) { return rank(a) - rank(b); }) : doors).map(function(d) {
		return { words: (d.title || '') + ' ' + d.name, addresses: (d.grants || []).map(function(g) { return g.address; }), node: function() { return keptCard(d, own); } };
	}));

	return known.list.node;
}

// The card of a door: one that is drawn already stays, if nothing changed but what is left of its time.
function keptCard(door, ctx) {
	const print = JSON.stringify([ doorPrint(door), ctx.few, ctx.about ? ctx.about(door) : '', (door.grants || []).map(function(g) { return ctx.names.clients[g.client]; }) ]);
	const former = ctx.drawn.cards.get(door.name);

	if (former && former.print == print)
		return former.node;

	const node = doorCard(door, ctx);

	ctx.drawn.cards.set(door.name, { print: print, node: node });

	return node;
}

// What of a door a person can see, without what only counts down.
function doorPrint(d) {
	return [ d.name, d.title, d.state, d.reason, d.open_for, d.max_open, d.cut, d.more, (d.grants || []).map(function(g) {
		return [ g.address, g.until, g.client, g.knock, g.pending ];
	}) ];
}

// The card on Status > Overview: open doors only, null if all are closed.
function openCard(status, at) {
	const known = names(status);
	const open = (status.doors || []).filter(function(d) { return (d.grants || []).length; });

	if (!open.length)
		return null;

	const rest = open.length - finder.FEW;

	return E('div', [ E('div', { 'class': 'lk-doors' }, open.slice(0, finder.FEW).map(function(d) {
		return doorCard(d, { names: known, at: at });
	})), (rest > 0) ? E('p', { 'class': 'lk-terms' }, [ text.say(N_(rest, '{n} more door is open.', '{n} more doors are open.'), { n: rest }) ]) : '' ]);
}

// Puts nodes into root in place of what is there, and keeps the keyboard's focus on the same button. A function that
// returns the nodes may use some that are there.
function replace(root, nodes) {
	const focused = root.contains(document.activeElement) ? document.activeElement.getAttribute('data-key') : null;

	root.replaceChildren.apply(root, (typeof(nodes) == 'function') ? nodes() : nodes);

	const again = focused ? Array.from(root.querySelectorAll('[data-key]')).find(function(n) {
		return n.getAttribute('data-key') == focused;
	}) : null;

	if (again)
		again.focus();
}

// What of a status a person can see, without what only counts down: if it is the same, nothing is drawn anew.
function fingerprint(status, events, waited) {
	return JSON.stringify([ phase(status, waited || 0), status.reason, status.problem, clockFact(status), status.cut, status.devices, status.clients,
		status.nearly_full, (status.doors || []).map(doorPrint), (events || []).map(function(e) { return [ e.number, e.count, e.hidden ]; }) ]);
}

return baseclass.extend({
	names: names,
	isUnset: isUnset,
	phase: phase,
	facts: facts,
	banner: banner,
	stateOf: stateOf,
	badge: badge,
	openFor: openFor,
	doorCard: doorCard,
	doorState: doorState,
	drawn: drawn,
	doorCards: doorCards,
	openCard: openCard,
	tick: tick,
	replace: replace,
	fingerprint: fingerprint
});
