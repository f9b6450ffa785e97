// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.door as door';
'require latchkey.valid as valid';
'require latchkey.plan as plan';
'require latchkey.link as link';
'require latchkey.share as share';
'require latchkey.fields as fields';
'require latchkey.element as element';

// The dialogs for one more device and for a new key, and the panel with a client's code. Needs only
// the DOM; what it asks the router for, and how things are saved, is handed in.

const E = element.make;

const value = fields.value, field = fields.field, button = fields.button, foot = fields.foot, fill = fields.fill;

// Where the device finds the router: what is typed becomes a host name or an address in the link.
function whereFields(where) {
	const host = fields.input({ 'value': where.host, 'placeholder': where.addresses[0] || 'home.example.net', 'spellcheck': 'false' });
	const notes = [ where.addresses.length
		? text.say(_('Leave it empty to use {addresses}.'), { addresses: text.list(where.addresses) })
		: _('The router has no address that the Internet can reach: write the name or address under which it is reached, if there is one.') ];

	if (where.addresses.length && !where.host)
		notes.push(' ', _('A name is better if your provider changes your address.'));

	return { host: host, row: field(_('Name from outside'), host, notes) };
}

function titleProblem(title) {
	if (title == '')
		return _('Give the device a name.');

	return (valid.title(title) === true) ? null : valid.title(title);
}

function whereProblem(where, host) {
	if (host)
		return (valid.host(host) === true) ? null : valid.host(host);

	return where.addresses.length ? null : _('Without a name or an address the device cannot find the router.');
}

// Whereabouts with what the owner typed. A typed address goes where addresses go.
function withHost(where, host) {
	const isAddress = fields.isIPv4(host) || host.indexOf(':') >= 0;

	return Object.assign({}, where, isAddress ? { host: '', addresses: [ host ] } : { host: host });
}

// The panel of a client that the router has, for picking its link up: a promise.
function pickupPanel(ctx, name, where) {
	const t = {
		qr: ctx.qr,
		offer: function() { return ctx.offer(name, where); },
		link: function() { return ctx.link(name, where); },
		app: function() { return ctx.link(name, where, true); }
	};

	return t.offer().then(function(offered) { return share.latchkeyPanel(t, offered); });
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

// The panel for any client that was saved just now: a promise. The keys of kind fwknop are those in hand.
function panel(ctx, client, main, host) {
	const where = withHost(ctx.where, host);

	return (client.kind == 'fwknop') ? Promise.resolve(fwknopPanel(ctx, client, main, where)) : pickupPanel(ctx, client['.name'], where);
}

const SPA_PORT = '62201'; // where fwknop's clients send to if nobody tells them

function mainFor(kind, main) {
	const out = plan.main(main);

	if (kind == 'fwknop' && (!main.spa_port || main.spa_port == '0'))
		out.spa_port = SPA_PORT;

	return out;
}

function showCode(root, ctx, client, main, host) {
	return panel(ctx, client, Object.assign({}, ctx.main, main), host).then(function(shown) {
		fill(root, [ shown, foot([ button(_('Done'), 'cbi-button-action important', ctx.close) ]) ]);
		root.querySelector('.lk-qr').focus();
	});
}

// A code for a client that is there, with the key that it has.
function newCode(ctx, client) {
	const w = whereFields(ctx.where);
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
	const root = E('div');
	const go = button(_('Show the code'), 'cbi-button-action important', function() {
		const host = value(w.host);

		error.textContent = whereProblem(ctx.where, host) || '';
		if (!error.textContent)
			fields.attempt(go, error, function() {
				ctx.remember(host);

				return showCode(root, ctx, client, {}, host);
			});
	});

	fill(root, [ E('div', { 'class': 'lk-form' }, [
		E('p', [ _('The code hands the key of this client, which stays as it is, to one more device or to the same one again.') ]),
		E('p', [ _('A device that has it already gets today’s settings in place of its own: new doors, names and addresses. Until then, the old ones go on working.') ]),
		w.row, error, foot([ button(_('Cancel'), '', ctx.close), go ])
	]) ]);

	return root;
}

// A new key for a client that is there. It shows nothing before the old key is replaced.
function newKey(ctx, client) {
	const w = whereFields(ctx.where);
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
	const root = E('div');
	const go = button(_('Replace the key and show the code'), 'cbi-button-action important', function() {
		const host = value(w.host);

		error.textContent = whereProblem(ctx.where, host) || '';
		if (error.textContent)
			return;

		const fresh = newClient(client.kind || 'latchkey', client.title || client['.name'], [].concat(client.door || []), null, []);
		const main = mainFor(fresh.kind, ctx.main);

		fields.attempt(go, error, function() {
			return ctx.save({ main: main, keys: { client: client['.name'], key: fresh.key, hmac_key: fresh.hmac_key }, host: host })
				.then(function() { return showCode(root, ctx, Object.assign(fresh, { '.name': client['.name'] }), main, host); });
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
	const title = fields.input({ 'value': '', 'placeholder': _('Anna’s phone'), 'maxlength': '60' });
	const kind = fields.select([ [ 'latchkey', _('Latchkey (knock page)') ], [ 'fwknop', _('fwknop (app Fwknop2)') ] ], 'latchkey');
	const doors = fields.checkboxes(_('May open'), ctx.around.doors.map(function(d) {
		return [ d['.name'], door.title(d) ];
	}), _('There is no door yet.'));
	const expires = E('input', { 'type': 'date', 'class': 'cbi-input-text' });
	const w = whereFields(ctx.where);
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
	const root = E('div');

	function problem() {
		if (titleProblem(value(title)))
			return titleProblem(value(title));
		if (!doors.chosen().length)
			return _('Choose at least one door.');

		return whereProblem(ctx.where, value(w.host));
	}
	const go = button(_('Save and show the code'), 'cbi-button-action important', function() {
		error.textContent = problem() || '';
		if (error.textContent)
			return;

		const client = newClient(kind.value, value(title), doors.chosen(), expires.value, ctx.taken);
		const main = mainFor(kind.value, ctx.main);
		const host = value(w.host);

		fields.attempt(go, error, function() {
			return ctx.save({ main: main, client: client, host: host }).then(function() { return showCode(root, ctx, client, main, host); });
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
	whereFields: whereFields,
	whereProblem: whereProblem,
	titleProblem: titleProblem,
	withHost: withHost,
	panel: panel,
	newDevice: newDevice,
	newCode: newCode,
	newKey: newKey
});
