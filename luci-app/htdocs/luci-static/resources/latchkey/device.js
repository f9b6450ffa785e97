// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';
'require latchkey.door as door';
'require latchkey.valid as valid';
'require latchkey.plan as plan';
'require latchkey.link as link';
'require latchkey.share as share';
'require latchkey.where as where';
'require latchkey.fields as fields';
'require latchkey.rules as rules';
'require latchkey.element as element';

// The dialogs for one more client and for a new key, and the panel with a client's code. Needs only
// the DOM; what it asks the router for, and how things are saved, is handed in.

const E = element.make;

const value = fields.value, field = fields.field, button = fields.button, foot = fields.foot, fill = fields.fill;

// What is wrong with a client's title: { control, text }, or null.
function titleProblem(title) {
	const typed = value(title);
	const ok = typed ? valid.title(typed) : _('Give the client a name.');

	return (ok === true) ? null : { control: title, text: ok };
}

// The panel of a client that the router has, for picking its link up: a promise.
function pickupPanel(ctx, name, w) {
	const t = {
		qr: ctx.qr,
		offer: function() { return ctx.offer(name); },
		link: function() { return ctx.link(name); },
		app: function() { return ctx.link(name, true); },
		appPage: ctx.main && ctx.main.page,
		mayChange: function() { return where.changing(w, ''); }
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
		const first = door.openings(d)[0];

		return first.protos[0] + '/' + first.outside[0];
	}).join(',') || 'tcp/22';
}

function fwknopPanel(ctx, client, main, w) {
	const keys = { key: client.key, hmac: client.hmac_key };
	const host = w.host || w.addresses[0] || '';

	return E('div', [ where.changing(w, w.host), share.fwknopPanel({ qr: ctx.qr, text: link.fwknopText(keys),
		rc: link.fwknopRC(w.name, host, main.spa_port, keys, accessOf(ctx.around.doors, [].concat(client.door || []))) }) ]);
}

// The panel for any client that was saved just now: a promise. The keys of kind fwknop are those in hand.
function panel(ctx, client, main, host) {
	const w = where.withHost(ctx.where, host);

	return (client.kind == 'fwknop') ? Promise.resolve(fwknopPanel(ctx, client, main, w)) : pickupPanel(ctx, client['.name'], w);
}

function mainFor(kind, ctx) {
	const main = ctx.main, out = plan.main(main, ctx.where.unknown, ctx.zones, ctx.around);

	if (kind == 'fwknop' && (!main.spa_port || main.spa_port == '0'))
		out.spa_port = String(rules.SPA_PORT);

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
	const w = where.nameField(ctx.where);
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
	const root = E('div');
	const go = button(_('Show the code'), 'cbi-button-action important', function() {
		const host = value(w.host);
		const isNew = host != ctx.where.host;

		if (!fields.complain(error, w.problem()))
			fields.attempt(go, error, function() {
				return (isNew ? ctx.save({ host: host }) : Promise.resolve()).then(function() { return showCode(root, ctx, client, {}, host); });
			});
	});

	fill(root, [ E('div', { 'class': 'lk-form' }, [
		E('p', [ _('The code hands out the key of this client, which stays as it is: to the same phone or laptop again, or to one more.') ]),
		E('p', [ _('A client that has it already gets today’s settings in place of its own: new doors, names and addresses. Until then, the old ones go on working.') ]),
		w.rows, error, foot([ button(_('Cancel'), '', ctx.close), go ])
	]) ]);

	return root;
}

// A new key for a client that is there. It shows nothing before the old key is replaced.
function newKey(ctx, client) {
	const w = where.nameField(ctx.where);
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
	const root = E('div');
	const go = button(_('Replace the key and show the code'), 'cbi-button-action important', function() {
		const host = value(w.host);

		if (fields.complain(error, w.problem()))
			return;

		const fresh = newClient(client.kind || 'latchkey', client.title || client['.name'], [].concat(client.door || []), null, []);
		const main = mainFor(fresh.kind, ctx);

		fields.attempt(go, error, function() {
			return ctx.save({ main: main, keys: { client: client['.name'], key: fresh.key, hmac_key: fresh.hmac_key }, host: host })
				.then(function() { return showCode(root, ctx, Object.assign(fresh, { '.name': client['.name'] }), main, host); });
		});
	});

	fill(root, [ E('div', { 'class': 'lk-form' }, [
		E('p', [ _('The key that the client has now stops working.') ]),
		w.rows, error, foot([ button(_('Cancel'), '', ctx.close), go ])
	]) ]);

	return root;
}

// One more client. ctx as in firstUse; save gets no door.
function newDevice(ctx) {
	const title = fields.input({ 'value': '', 'placeholder': _('Anna’s phone'), 'maxlength': '60' });
	const kind = fields.select([ [ 'latchkey', _('Latchkey (knock page)') ], [ 'fwknop', _('fwknop (app Fwknop2)') ] ], 'latchkey');
	const doors = fields.checkboxes(_('May open'), ctx.around.doors.map(function(d) {
		return [ d['.name'], door.title(d) ];
	}), _('There is no door yet.'));
	const expires = E('input', { 'type': 'date', 'class': 'cbi-input-text' });
	const w = where.nameField(ctx.where);
	const error = E('p', { 'class': 'lk-error', 'role': 'alert' });
	const root = E('div');

	function problem() {
		return titleProblem(title) || (doors.chosen().length ? null : { control: doors.first, text: _('Choose at least one door.') }) || w.problem();
	}
	const go = button(_('Save and show the code'), 'cbi-button-action important', function() {
		if (fields.complain(error, problem()))
			return;

		const client = newClient(kind.value, value(title), doors.chosen(), expires.value, ctx.taken);
		const main = mainFor(kind.value, ctx);
		const host = value(w.host);

		fields.attempt(go, error, function() {
			return ctx.save({ main: main, client: client, host: host }).then(function() { return showCode(root, ctx, client, main, host); });
		});
	});

	fill(root, [ E('div', { 'class': 'lk-form' }, [
		field(_('Name of the client'), title),
		field(_('Kind'), kind),
		doors.row,
		field(_('Until'), expires, _('The last day on which it may knock; empty means for good.')),
		w.rows, error,
		foot([ button(_('Cancel'), '', ctx.close), go ])
	]) ]);

	return root;
}

return baseclass.extend({
	titleProblem: titleProblem,
	panel: panel,
	newDevice: newDevice,
	newCode: newCode,
	newKey: newKey
});
