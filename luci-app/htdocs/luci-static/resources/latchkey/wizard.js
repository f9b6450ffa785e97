// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.door as door';
'require latchkey.valid as valid';
'require latchkey.plan as plan';
'require latchkey.random as random';
'require latchkey.fields as fields';
'require latchkey.device as device';
'require latchkey.where as where';
'require latchkey.reach as reach';
'require latchkey.element as element';

// First use, door -> client -> code, and the dialog for one more door. Needs only the DOM; what it
// asks the router for, and how things are saved, is handed in.

const E = element.make;

const ROUTER = '', OTHER = '*';
const TIMES = [ '30s', '2m', '10m', '1h', '8h' ];
const USUAL_TIME = '10m';

const value = fields.value, field = fields.field, button = fields.button, foot = fields.foot, fill = fields.fill,
	input = fields.input, select = fields.select, show = fields.show;

function progress(current) {
	const steps = [ _('1. The door'), _('2. The client'), _('3. The code') ];

	return E('ol', { 'class': 'lk-progress' }, steps.map(function(s, i) {
		return E('li', { 'aria-current': (i == current) ? 'step' : null }, [ s ]);
	}));
}

function hostTitle(h) {
	return h.name ? text.isolated(h.name) + ' (' + h.ip4 + ')' : h.ip4;
}

// The controls of the first step. ctx: { hosts, around, leases }
function doorControls(ctx) {
	const first = ctx.hosts.find(function(h) { return h.name; });

	return {
		host: select([ [ ROUTER, _('This router') ] ].concat(
			ctx.hosts.map(function(h) { return [ h.ip4, hostTitle(h) ]; }),
			[ [ OTHER, _('Another address…') ] ]), first ? first.ip4 : ROUTER),
		address: input({ 'placeholder': '192.168.1.22', 'inputmode': 'decimal' }),
		service: select(door.services().map(function(s) {
			return [ s.id, s.port ? s.title + ' – ' + s.proto + ' ' + s.port : s.title + '…' ];
		}), 'ssh'),
		proto: select([ [ 'tcp', 'TCP' ], [ 'udp', 'UDP' ], [ 'tcp udp', _('TCP and UDP') ] ], 'tcp'),
		port: input({ 'inputmode': 'numeric', 'placeholder': '8080' }),
		outside: input({ 'inputmode': 'numeric' }),
		keep: E('input', { 'type': 'checkbox' }),
		time: select(TIMES.map(function(t) { return [ t, text.duration(valid.seconds(t)) ]; }), USUAL_TIME)
	};
}

// What the controls say: the door as a section, with whose it is.
function doorAnswers(c, ctx) {
	const service = door.services().find(function(s) { return s.id == c.service.value; });
	const own = (service.id == 'own');
	const host = (c.host.value == ROUTER) ? null
		: (c.host.value == OTHER) ? ctx.hosts.find(function(h) { return h.ip4 == value(c.address); }) || { name: '', ip4: value(c.address) }
		: ctx.hosts.find(function(h) { return h.ip4 == c.host.value; });
	const port = own ? value(c.port) : service.port;

	return {
		host: host,
		service: own ? 'port' : service.id,
		proto: own ? c.proto.value.split(' ') : [ service.proto ],
		port: port,
		outside: host ? value(c.outside) : port,
		openFor: c.time.value
	};
}

// What is wrong with the answers: { control, text }, or null.
function doorProblem(a, c) {
	const wrong = function(control, port) { return (valid.port(port) === true) ? null : { control: control, text: valid.port(port) }; };

	if (a.host && !valid.isIPv4(a.host.ip4))
		return { control: c.address, text: _('Write the IPv4 address of the host in your network.') };

	return wrong(c.port, a.port) || wrong(c.outside, a.outside);
}

// The lease of the host that a door leads to, if its address is not its own for good yet.
function looseLease(a, ctx) {
	return a.host ? (ctx.leases || []).find(function(l) { return l.address == a.host.ip4 && !l.reserved; }) : null;
}

function asSection(a, ctx) {
	const s = plan.doorSection(a, ctx.taken, ctx.zone);
	const titled = function(place) { return door.serviceName(s) + ' – ' + place; };

	// A host chooses its own name, and may choose one that is no title.
	s.title = titled(a.host ? a.host.name || a.host.ip4 : _('router'));
	if (valid.title(s.title) !== true)
		s.title = titled(a.host.ip4);

	return s;
}

// The first step. next(section, reserve) goes on; reserve is an address that its host is to keep, or null.
function doorStep(ctx, next, cancel, alone) {
	const c = doorControls(ctx);
	const conflicts = E('div', { 'role': 'status' });
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
	const rows = {
		address: field(_('Its address'), c.address),
		proto: field(_('Protocol'), c.proto),
		port: field(_('Port of the service'), c.port),
		outside: field(_('Port outside'), c.outside, _('The port that you will use from outside.')),
		keep: field(_('Static lease'), c.keep,
			_('The host has its address by DHCP and may get another one, while the door stays where it is. Tick this to let it keep its address.'))
	};
	let touched = false;

	function refresh() {
		const own = (c.service.value == 'own');
		let a;

		show(rows.address, c.host.value == OTHER);
		show(rows.proto, own);
		show(rows.port, own);
		show(rows.outside, c.host.value != ROUTER);
		if (!touched) {
			a = doorAnswers(c, ctx);
			c.outside.value = door.freePort(plan.doorSection(Object.assign(a, { outside: '', title: '' }), ctx.taken, ctx.zone), ctx.around, random.below) || '';
		}
		a = doorAnswers(c, ctx);
		show(rows.keep, looseLease(a, ctx) != null);
		fill(conflicts, doorProblem(a, c) ? [] : fields.conflictList(door.conflicts(asSection(a, ctx), ctx.around)));
	}

	c.outside.addEventListener('input', function() { touched = true; });
	[ c.host, c.service ].forEach(function(x) { x.addEventListener('change', function() { touched = false; }); });
	Object.keys(c).forEach(function(k) {
		c[k].addEventListener('input', refresh);
		c[k].addEventListener('change', refresh);
	});
	refresh();

	return E('div', { 'class': 'lk-form' }, [
		alone ? '' : progress(0),
		field(_('Where does the door lead?'), c.host), rows.address, rows.keep,
		field(_('To which service?'), c.service), rows.proto, rows.port, rows.outside,
		field(_('How long does it stay open?'), c.time, _('For new connections. One that is open already lives on.')),
		conflicts, error,
		foot([ button(_('Cancel'), '', cancel), button(_('Next'), 'cbi-button-action important', function() {
			const a = doorAnswers(c, ctx);

			if (!fields.complain(error, doorProblem(a, c)))
				next(asSection(a, ctx), (c.keep.checked && looseLease(a, ctx)) ? a.host.ip4 : null);
		}) ])
	]);
}

// The second step. save(title, host) returns a promise of the code's panel.
function clientStep(ctx, rows, back, save) {
	const title = input({ 'value': ctx.clientTitle || _('My phone'), 'maxlength': '60' });
	const w = where.nameField(ctx.where);
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
	const go = button(_('Save and show the code'), 'cbi-button-action important', function() {
		if (!fields.complain(error, device.titleProblem(title) || w.problem()))
			fields.attempt(go, error, function() { return save(value(title), value(w.host)); });
	});

	return E('div', { 'class': 'lk-form' }, [
		progress(1),
		field(_('Name of the client'), title, _('Each client gets a key of its own, so that you can lock out one without the others.')),
		(ctx.where.situation.id == 'open') ? '' : where.situation(ctx.where, rows),
		w.rows, error,
		foot([ button(_('Cancel'), '', ctx.close), button(_('Back'), '', back), go ])
	]);
}

// What a router in front has to forward once this door and these options are there.
function forwards(ctx, main, section) {
	return reach.forwards({ main: Object.assign({}, ctx.main, main), doors: ctx.around.doors.concat(section),
		sequences: ctx.around.sequences, ordered: ctx.where.ordered });
}

// The whole of first use. ctx: { hosts, leases, zone, where, around, taken: names of sections, main: section
// 'main' as it is, qr, save({ main, door, client, host, reserve }), offer(client) and link(client, app)
// -> promises, close() }
function firstUse(ctx) {
	const root = E('div');
	const go = function(node) {
		fill(root, [ node ]);

		const focus = node.querySelector('.lk-qr') || node.querySelector('select, input, button');

		if (focus)
			focus.focus();
	};
	const first = doorStep(ctx, askClient, ctx.close);

	let drawn = {};

	// Ports of knocks keep away from those of the new door, too. They stay while the door's do, as somebody
	// may have told them to another router already.
	function mainBeside(section) {
		const key = [].concat(section.proto, section.port).join();

		if (drawn.key != key)
			drawn = { key: key, main: plan.main(ctx.main, ctx.where.unknown, ctx.zones,
				Object.assign({}, ctx.around, { doors: ctx.around.doors.concat(section) })) };

		return drawn.main;
	}

	function askClient(section, reserve) {
		const main = mainBeside(section);

		go(clientStep(ctx, forwards(ctx, main, section), function() { go(first); }, function(title, host) {
			const client = plan.clientSection(title, [ section['.name'] ], ctx.taken.concat(section['.name']));

			return ctx.save({ main: main, door: section, client: client, host: host, reserve: reserve }).then(function() {
				return device.panel(ctx, client, Object.assign({}, ctx.main, main), host);
			}).then(function(panel) {
				go(E('div', [ progress(2), panel, foot([ button(_('Done'), 'cbi-button-action important', ctx.close) ]) ]));
			});
		}));
	}
	go(first);

	return root;
}

// One more door, for clients that are there: ctx as in firstUse. They get it by their ticks.
function newDoor(ctx) {
	const root = E('div');
	const first = doorStep(ctx, who, ctx.close, true);
	const clients = fields.checkboxes(_('Who may open it?'), ctx.clients.map(function(c) { return [ c['.name'], c.title || c['.name'] ]; }),
		_('No client may knock yet.'));

	function who(section, reserve) {
		const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
		const go = button(_('Save & Apply'), 'cbi-button-action important', function() {
			fields.attempt(go, error, function() {
				return ctx.save({ door: section, openers: clients.chosen(), reserve: reserve }).then(ctx.close);
			});
		});

		fill(root, [ E('div', { 'class': 'lk-form' }, [ E('p', [ E('strong', [ section.title ]) ]), clients.row,
			E('p', [ _('A client that is set up already learns of the new door by a new code: “New code…” under Clients.') ]), error,
			foot([ button(_('Cancel'), '', ctx.close), button(_('Back'), '', function() { fill(root, [ first ]); }), go ]) ]) ]);
		go.focus();
	}
	fill(root, [ first ]);

	return root;
}

return baseclass.extend({
	hostTitle: hostTitle,
	firstUse: firstUse,
	newDoor: newDoor
});
