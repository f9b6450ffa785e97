// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.door as door';
'require latchkey.valid as valid';
'require latchkey.plan as plan';
'require latchkey.random as random';
'require latchkey.link as link';
'require latchkey.share as share';

// First use, door -> device -> code, and the dialog for one more device. Needs only the DOM; what
// it asks the router for, and how things are saved, is handed in.

const ROUTER = '', OTHER = '*';
const TIMES = [ '30s', '2m', '10m', '1h', '8h' ];
const USUAL_TIME = '10m';

let ids = 0;

function value(input) {
	return input.value.trim();
}

function options(list, chosen) {
	return list.map(function(o) {
		return E('option', { 'value': o[0], 'selected': (o[0] == chosen) ? '' : null }, [ o[1] ]);
	});
}

function select(list, chosen) {
	return E('select', { 'class': 'cbi-input-select' }, options(list, chosen));
}

function input(attributes) {
	return E('input', Object.assign({ 'type': 'text', 'class': 'cbi-input-text', 'autocomplete': 'off' }, attributes));
}

// A row in the manner of LuCI's forms.
function field(label, control, help) {
	const id = 'lk-field-' + (++ids);
	const about = help ? E('div', { 'class': 'cbi-value-description', 'id': id + '-help' }, [].concat(help)) : null;

	control.setAttribute('id', id);
	if (about)
		control.setAttribute('aria-describedby', id + '-help');

	return E('div', { 'class': 'cbi-value' }, [
		E('label', { 'class': 'cbi-value-title', 'for': id }, [ label ]),
		E('div', { 'class': 'cbi-value-field' }, [ control, about || '' ])
	]);
}

function show(node, on) {
	node.hidden = !on;
}

function button(label, cls, click) {
	return E('button', { 'type': 'button', 'class': 'btn cbi-button ' + cls, 'click': click }, [ label ]);
}

function foot(list) {
	return E('div', { 'class': 'right button-row' }, list.reduce(function(all, b) {
		return all.concat(all.length ? [ ' ' ] : [], b);
	}, []));
}

function progress(current) {
	const steps = [ _('1. The door'), _('2. The device'), _('3. The code') ];

	return E('ol', { 'class': 'lk-progress' }, steps.map(function(s, i) {
		return E('li', { 'aria-current': (i == current) ? 'step' : null }, [ s ]);
	}));
}

function conflictList(list) {
	return list.map(function(c) {
		return E('div', { 'class': 'lk-conflict' }, [ E('span', { 'class': 'lk-mark', 'aria-hidden': 'true' }, [ '!' ]), E('span', [ c ]) ]);
	});
}

function fill(node, children) {
	while (node.firstChild)
		node.removeChild(node.firstChild);
	children.forEach(function(c) { node.appendChild(c); });
}

function hostTitle(h) {
	return h.name ? h.name + ' (' + h.ip4 + ')' : h.ip4;
}

// The controls of the first step. ctx: { hosts, around }
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
		time: select(TIMES.map(function(t) { return [ t, text.duration(valid.seconds(t)) ]; }), USUAL_TIME)
	};
}

// What the controls say: the door as a section, with whose it is.
function doorAnswers(c, ctx) {
	const service = door.services().find(function(s) { return s.id == c.service.value; });
	const own = (service.id == 'own');
	const host = (c.host.value == ROUTER) ? null
		: (c.host.value == OTHER) ? { name: '', ip4: value(c.address) }
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

function isIPv4(address) {
	return (/^(\d{1,3}\.){3}\d{1,3}$/).test(address) && address.split('.').every(function(o) { return +o < 256; });
}

function doorProblem(a) {
	if (a.host && !isIPv4(a.host.ip4))
		return _('Write the IPv4 address of the device in your network.');
	if (valid.port(a.port) !== true)
		return valid.port(a.port);

	return (valid.port(a.outside) === true) ? null : valid.port(a.outside);
}

function asSection(a, ctx) {
	const s = plan.doorSection(a, ctx.taken);

	s.title = door.serviceName(s) + (a.host ? ' – ' + (a.host.name || a.host.ip4) : ' – ' + _('router'));

	return s;
}

function ownHelp(host) {
	return host ? _('The port that you will use from outside.') : _('The same as inside, as the door is on the router itself.');
}

// The first step. next(section) goes on.
function doorStep(ctx, next, cancel, alone) {
	const c = doorControls(ctx);
	const conflicts = E('div', { 'role': 'status' });
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
	const rows = {
		address: field(_('Its address'), c.address),
		proto: field(_('Protocol'), c.proto),
		port: field(_('Port of the service'), c.port),
		outside: field(_('Port outside'), c.outside, ownHelp(true))
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
			c.outside.value = door.freePort(plan.doorSection(Object.assign(a, { outside: '', title: '' }), ctx.taken), ctx.around, random.below) || '';
		}
		a = doorAnswers(c, ctx);
		fill(conflicts, doorProblem(a) ? [] : conflictList(door.conflicts(asSection(a, ctx), ctx.around)));
		error.textContent = '';
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
		field(_('Where does the door lead?'), c.host), rows.address,
		field(_('To which service?'), c.service), rows.proto, rows.port, rows.outside,
		field(_('How long does it stay open?'), c.time, _('For new connections. One that is open already lives on.')),
		conflicts, error,
		foot([ button(_('Cancel'), '', cancel), button(_('Next'), 'cbi-button-action important', function() {
			const a = doorAnswers(c, ctx);
			const problem = doorProblem(a);

			error.textContent = problem || '';
			if (!problem)
				next(asSection(a, ctx));
		}) ])
	]);
}

// Where the device finds the router: what is typed becomes a host name or an address in the link.
function whereFields(where) {
	const host = input({ 'value': where.host, 'placeholder': where.addresses[0] || 'home.example.net', 'spellcheck': 'false' });
	const notes = [ where.addresses.length
		? text.say(_('Leave it empty to use {addresses}.'), { addresses: text.list(where.addresses) })
		: _('The router has no address that the Internet can reach: write the name or address under which it is reached, if there is one.') ];

	if (where.addresses.length && !where.host)
		notes.push(' ', _('A name is better if your provider changes your address.'));

	return { host: host, row: field(_('Name from outside'), host, notes) };
}

function whereProblem(where, host) {
	if (host)
		return (valid.host(host) === true) ? null : valid.host(host);

	return where.addresses.length ? null : _('Without a name or an address the device cannot find the router.');
}

// The second step. save(title, where) returns a promise of the code's panel.
function deviceStep(ctx, back, save) {
	const title = input({ 'value': ctx.deviceTitle || _('My phone'), 'maxlength': '60' });
	const w = whereFields(ctx.where);
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
	const go = button(_('Save and show the code'), 'cbi-button-apply important', function() {
		const problem = (value(title) == '') ? _('Give the device a name.') : whereProblem(ctx.where, value(w.host));

		error.textContent = problem || '';
		if (problem)
			return;
		go.disabled = true;
		go.classList.add('spinning');
		save(value(title), value(w.host)).catch(function(err) {
			error.textContent = err.message || String(err);
			go.disabled = false;
			go.classList.remove('spinning');
		});
	});

	return E('div', { 'class': 'lk-form' }, [
		progress(1),
		field(_('Name of the device'), title, _('Each device gets a key of its own, so that you can lock out one without the others.')),
		w.row, error,
		foot([ button(_('Back'), '', back), go ])
	]);
}

// Whereabouts with what the owner typed. A typed address goes where addresses go.
function withHost(where, host) {
	const isAddress = isIPv4(host) || host.indexOf(':') >= 0;

	return Object.assign({}, where, isAddress ? { host: '', addresses: [ host ] } : { host: host });
}

function panelFor(ctx, client, main, where) {
	const l = plan.linkFor(client, main, where, ctx.ordered);

	return share.latchkeyPanel({ qr: ctx.qr, link: l, commandLine: link.commandLine(l) });
}

// The whole of first use. ctx: { hosts, where, around, taken: names of sections, main: section
// 'main' as it is, qr, save({ main, door, client, host }) -> promise, close() }
function firstUse(ctx) {
	const root = E('div');
	const go = function(node) {
		fill(root, [ node ]);

		const focus = node.querySelector('.lk-qr') || node.querySelector('select, input, button');

		if (focus)
			focus.focus();
	};

	function device(section) {
		go(deviceStep(ctx, start, function(title, host) {
			const main = plan.main(ctx.main);
			const client = plan.clientSection(title, [ section['.name'] ], ctx.taken.concat(section['.name']));

			return ctx.save({ main: main, door: section, client: client, host: host }).then(function() {
				go(E('div', [ progress(2), panelFor(ctx, client, Object.assign({}, ctx.main, main), withHost(ctx.where, host)),
					foot([ button(_('Done'), 'cbi-button-action important', ctx.close) ]) ]));
			});
		}));
	}
	function start() {
		go(doorStep(ctx, device, ctx.close));
	}
	start();

	return root;
}

// One more door, for devices that are there: ctx as in firstUse. They get it by their ticks.
function newDoor(ctx) {
	const root = E('div');
	const clients = checkboxes(_('Who may open it?'), ctx.clients.map(function(c) { return [ c['.name'], c.title || c['.name'] ]; }),
		_('No device may knock yet.'));

	function who(section) {
		const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
		const go = button(_('Save & Apply'), 'cbi-button-apply important', function() {
			go.disabled = true;
			ctx.save({ door: section, openers: clients.chosen() }).then(ctx.close, function(err) {
				error.textContent = err.message || String(err);
				go.disabled = false;
			});
		});

		fill(root, [ E('div', { 'class': 'lk-form' }, [ E('p', [ E('strong', [ section.title ]) ]), clients.row, error,
			foot([ button(_('Cancel'), '', ctx.close), go ]) ]) ]);
		go.focus();
	}
	fill(root, [ doorStep(ctx, who, ctx.close, true) ]);

	return root;
}

function checkboxes(label, list, empty) {
	const boxes = list.map(function(item) {
		const id = 'lk-field-' + (++ids);
		const box = E('input', { 'type': 'checkbox', 'id': id, 'value': item[0], 'checked': (list.length == 1) ? '' : null });

		return { box: box, row: E('div', { 'class': 'lk-check' }, [ box, ' ', E('label', { 'for': id }, [ item[1] ]) ]) };
	});

	return {
		row: E('div', { 'class': 'cbi-value', 'role': 'group', 'aria-label': label }, [
			E('span', { 'class': 'cbi-value-title' }, [ label ]),
			E('div', { 'class': 'cbi-value-field' }, boxes.length ? boxes.map(function(b) { return b.row; })
				: [ E('em', [ empty ]) ])
		]),
		chosen: function() {
			return boxes.filter(function(b) { return b.box.checked; }).map(function(b) { return b.box.value; });
		}
	};
}

function newClient(kind, title, doors, expires, taken) {
	const client = plan.clientSection(title, doors, taken);

	client.kind = kind;
	if (kind == 'fwknop') {
		const keys = link.makeFwknopKeys();

		client.key = keys.key;
		client.hmac_key = keys.hmac;
	}
	if (expires)
		client.expires = expires;

	return client;
}

// What fwknop's access list says of the first door: "tcp/2022".
function accessOf(doors, names) {
	return doors.filter(function(d) { return names.indexOf(d['.name']) >= 0; }).map(function(d) {
		return door.protocols(d)[0] + '/' + d.port;
	}).join(',') || 'tcp/22';
}

function fwknopPanel(ctx, client, main, where) {
	const keys = { key: client.key, hmac: client.hmac_key };
	const host = where.host || where.addresses[0] || '';

	return share.fwknopPanel({ qr: ctx.qr, text: link.fwknopText(keys),
		rc: link.fwknopRC(where.name, host, main.spa_port, keys, accessOf(ctx.around.doors, [].concat(client.door || []))) });
}

// The panel for any client with its secret in hand.
function panel(ctx, client, main, host) {
	const where = withHost(ctx.where, host);

	return (client.kind == 'fwknop') ? fwknopPanel(ctx, client, main, where) : panelFor(ctx, client, main, where);
}

const SPA_PORT = '62201'; // where fwknop's clients send to if nobody tells them

function mainFor(kind, main) {
	const out = plan.main(main);

	if (kind == 'fwknop' && (!main.spa_port || main.spa_port == '0'))
		out.spa_port = SPA_PORT;

	return out;
}

// A new key for a client that is there. It shows nothing before the old key is replaced.
function newKey(ctx, client) {
	const w = whereFields(ctx.where);
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
	const root = E('div');
	const go = button(_('Replace the key and show the code'), 'cbi-button-apply important', function() {
		const host = value(w.host);

		error.textContent = whereProblem(ctx.where, host) || '';
		if (error.textContent)
			return;
		go.disabled = true;

		const fresh = newClient(client.kind || 'latchkey', client.title || client['.name'], [].concat(client.door || []), null, []);
		const main = mainFor(fresh.kind, ctx.main);

		ctx.save({ main: main, keys: { client: client['.name'], key: fresh.key, hmac_key: fresh.hmac_key }, host: host }).then(function() {
			fill(root, [ panel(ctx, fresh, Object.assign({}, ctx.main, main), host),
				foot([ button(_('Done'), 'cbi-button-action important', ctx.close) ]) ]);
		}, function(err) {
			error.textContent = err.message || String(err);
			go.disabled = false;
		});
	});

	fill(root, [ E('div', { 'class': 'lk-form' }, [
		E('p', [ _('The key that the device has now stops working.') ]),
		w.row, error, foot([ button(_('Cancel'), '', ctx.close), go ])
	]) ]);

	return root;
}

// One more device. ctx as in firstUse; save gets no door.
function newDevice(ctx) {
	const title = input({ 'value': '', 'placeholder': _('Anna’s phone'), 'maxlength': '60' });
	const kind = select([ [ 'latchkey', _('Latchkey: knock page, any browser') ], [ 'fwknop', _('fwknop: app Fwknop2, program fwknop') ] ], 'latchkey');
	const doors = checkboxes(_('May open'), ctx.around.doors.map(function(d) { return [ d['.name'], door.title(d) ]; }), _('There is no door yet.'));
	const expires = E('input', { 'type': 'date', 'class': 'cbi-input-text' });
	const w = whereFields(ctx.where);
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
	const root = E('div');

	function problem() {
		if (value(title) == '')
			return _('Give the device a name.');
		if (!doors.chosen().length)
			return _('Choose at least one door.');

		return whereProblem(ctx.where, value(w.host));
	}
	const go = button(_('Save and show the code'), 'cbi-button-apply important', function() {
		error.textContent = problem() || '';
		if (error.textContent)
			return;
		go.disabled = true;

		const client = newClient(kind.value, value(title), doors.chosen(), expires.value, ctx.taken);
		const main = mainFor(kind.value, ctx.main);
		const host = value(w.host);

		ctx.save({ main: main, client: client, host: host }).then(function() {
			fill(root, [ panel(ctx, client, Object.assign({}, ctx.main, main), host),
				foot([ button(_('Done'), 'cbi-button-action important', ctx.close) ]) ]);
		}, function(err) {
			error.textContent = err.message || String(err);
			go.disabled = false;
		});
	});

	fill(root, [ E('div', { 'class': 'lk-form' }, [
		field(_('Name of the device'), title),
		field(_('Kind'), kind),
		doors.row,
		field(_('Until'), expires, _('The last day on which it may knock; empty means for good.')),
		w.row, error,
		foot([ button(_('Cancel'), '', ctx.close), go ])
	]) ]);

	return root;
}

return baseclass.extend({
	firstUse: firstUse,
	newDoor: newDoor,
	newDevice: newDevice,
	newKey: newKey,
	withHost: withHost,
	conflictList: conflictList
});
