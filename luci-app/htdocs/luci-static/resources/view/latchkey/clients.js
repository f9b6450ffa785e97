// SPDX-License-Identifier: Apache-2.0
'use strict';
'require view';
'require form';
'require uci';
'require latchkey.api as api';
'require latchkey.page as page';
'require latchkey.grid as grid';
'require latchkey.store as store';
'require latchkey.text as text';
'require latchkey.valid as valid';
'require latchkey.rows as rows';
'require latchkey.device as device';
'require latchkey.door as door';
'require latchkey.element as element';

const E = element.make;

function titleOf(id) {
	return uci.get('latchkey', id, 'title') || id;
}

// A new key for a client that is there: the old code is worth nothing from then on.
function renew(id) {
	return store.open(text.say(_('New key for {client}'), { client: titleOf(id) }), function(ctx) {
		return device.newKey(ctx, Object.assign({}, uci.get('latchkey', id)));
	});
}

// A code for the key that the client has: for what has changed since (doors, names, addresses), for a client that
// lost its page, or a code that got too old.
function showCode(id) {
	return store.open(text.say(_('New code for the same key: {client}'), { client: titleOf(id) }), function(ctx) {
		return device.newCode(ctx, Object.assign({}, uci.get('latchkey', id)));
	});
}

// A dialog would take the place of the editor with all that was typed, so the button itself asks.
function forget(ev, id) {
	const button = ev.currentTarget;

	if (!button.hasAttribute('data-sure')) {
		button.setAttribute('data-sure', '');
		button.textContent = _('Press again to forget them');

		return Promise.resolve();
	}

	return api.forget(id).then(function() { button.textContent = _('Forgotten'); }, page.failed);
}

function addColumns(s, known) {
	grid.column(s, 'title', _('Name'), titleOf);
	grid.column(s, '_kind', _('Knocks with'), function(id) { return rows.clientKind(uci.get('latchkey', id)); });
	grid.column(s, '_doors', _('May open'), function(id) {
		return rows.doorList(uci.get('latchkey', id, 'door'), uci.sections('latchkey', 'door'));
	});
	grid.column(s, '_state', _('State'), function(id) {
		return rows.clientState(uci.get('latchkey', id), (known.clients || []).find(function(c) { return c.name == id; }), Date.now());
	});

	const o = s.option(form.Flag, 'enabled', _('Enable'));
	o.modalonly = false;
	o.editable = true;
	o.default = '1';
	o.rmempty = false;
}

function addEditor(s) {
	let o = s.option(form.Value, 'title', _('Name of the client'));
	o.modalonly = true;
	o.validate = function(id, v) { return valid.title(v || ''); };

	o = s.option(form.MultiValue, 'door', _('May open'));
	o.modalonly = true;
	uci.sections('latchkey', 'door').forEach(function(d) { grid.choice(o, d['.name'], door.title(d)); });

	o = s.option(form.Value, 'expires', _('Until'), _('The last day on which it may knock, such as 2027-01-31; empty means for good.'));
	o.modalonly = true;
	o.placeholder = _('for good');
	o.validate = function(id, v) { return v ? valid.expires(v) : true; };

	o = s.option(form.Button, '_forget', _('Time stamps'),
		_('Older messages than the last one are refused. Forget its time only if the client’s clock was far in the future ' +
			'and is right again: until the next knock, a recorded message could be used within the allowed time.'));
	o.modalonly = true;
	o.inputtitle = _('Forget stamps…');
	o.inputstyle = 'neutral';
	o.onclick = forget;

	o = s.option(form.DummyValue, '_key', _('Key'), _('In the list, “New code…” hands it out, and “New key…” makes another one.'));
	o.modalonly = true;
	o.renderWidget = function() { return E('em', [ _('hidden') ]); };
	o.write = o.remove = function() {};

	keyText(s.option(form.Value, 'key_text', _('Encryption key as text'),
		_('To go on with a key that the fwknop client has as KEY, a text. Empty: the key stays as it is.')), 'key', valid.fwknopKeyText);
	keyText(s.option(form.Value, 'hmac_key_text', _('HMAC key as text'),
		_('To go on with a key that the fwknop client has as HMAC_KEY, a text. Empty: the key stays as it is.')), 'hmac_key', valid.fwknopHmacText);
}

// Makes o a field that replaces a key of a fwknop client by a text, and never shows the one that is there.
function keyText(o, replaced, check) {
	const widget = o.renderWidget;

	o.modalonly = true;
	o.password = true;
	o.cfgvalue = function() { return ''; };
	o.validate = function(id, v) { return v ? check(v) : true; };
	o.renderWidget = function(id) {
		return (uci.get('latchkey', id, 'kind') == 'fwknop') ? widget.apply(this, arguments) : E('em', [ _('for fwknop only') ]);
	};
	o.write = function(id, v) {
		uci.set('latchkey', id, o.option, v);
		uci.unset('latchkey', id, replaced);
	};
	o.remove = function() {};
}

function rowButton(label, cls, title, click) {
	return E('button', { 'class': 'btn cbi-button ' + cls, 'title': title, 'click': click }, [ label ]);
}

function renderForm(known) {
	const m = new form.Map('latchkey', _('Clients'),
		_('A client is a phone, a laptop or a program that may knock. Each has a key of its own, which you can take away without touching the others.'));
	const s = grid.table(m, 'client', function(id) { return text.say(_('Client “{name}”'), { name: titleOf(id) }); });

	s.addremove = true;
	s.anonymous = true;
	s.sortable = true;
	s.nodescriptions = true;
	s.addbtntitle = _('Add a client…');
	s.renderSectionPlaceholder = function() { return E('em', [ _('No client may knock yet.') ]); };
	s.handleAdd = function() { return store.open(_('Add a client'), device.newDevice); };
	s.handleRemove = function(id, ev) {
		store.dropClient(id);

		return this.super('handleRemove', [ id, ev ]);
	};
	s.renderRowActions = function(id) {
		const cell = this.super('renderRowActions', [ id, _('Edit') ]);
		const box = cell.lastElementChild || cell;

		box.classList.add('lk-actions');
		box.insertBefore(rowButton(_('New key…'), 'cbi-button-action', _('Make a new key and show its code'),
			function() { return renew(id); }), box.firstChild);
		if (uci.get('latchkey', id, 'kind') != 'fwknop')
			box.insertBefore(rowButton(_('New code…'), 'cbi-button-action', _('A new code for the same key: for changed doors or settings, or one more phone'),
				function() { return showCode(id); }), box.firstChild);

		return cell;
	};
	addColumns(s, known);
	addEditor(s);

	return m.render();
}

function renderLook(known) {
	return E('div', { 'class': 'lk' }, [ E('h2', [ _('Clients') ]), rows.clientsLook(known, Date.now()) ]);
}

return page.makeView({
	load: function() {
		page.style();

		return Promise.all([ api.status(), page.mayWrite() ? uci.load('latchkey') : null ]);
	},

	render: function(loaded) {
		return page.mayWrite() ? renderForm(loaded[0]) : renderLook(loaded[0]);
	},

	handleSave: page.mayWrite() ? view.prototype.handleSave : null,
	handleSaveApply: page.mayWrite() ? function(ev, mode) { return page.checkedApply(this, ev, mode); } : null,
	handleReset: page.mayWrite() ? view.prototype.handleReset : null
});
