// SPDX-License-Identifier: Apache-2.0
'use strict';
'require view';
'require form';
'require uci';
'require ui';
'require latchkey.api as api';
'require latchkey.page as page';
'require latchkey.grid as grid';
'require latchkey.text as text';
'require latchkey.valid as valid';
'require latchkey.rules as rules';
'require latchkey.door as door';
'require latchkey.ports as ports';
'require latchkey.sequence as sequence';
'require latchkey.rows as rows';
'require latchkey.share as share';
'require latchkey.store as store';
'require latchkey.element as element';

const E = element.make;

function judgeBox(id) {
	return document.getElementById('lk-judge-' + id);
}

function showJudgement(id, steps) {
	const box = judgeBox(id);

	if (!box)
		return;
	while (box.firstChild)
		box.removeChild(box.firstChild);
	box.appendChild(rows.judgement(steps));
}

function addEditor(s) {
	let o = s.option(form.DynamicList, 'step', _('Steps'), _('In this order: 7000/tcp, 8000/udp, 7000/tcp:syn,!ack or icmp:77 (bytes of a ping).'));
	o.modalonly = true;
	o.validate = function(id, v) {
		const all = [].concat(this.formvalue(id) || []).filter(Boolean);

		showJudgement(id, all);
		if (v && valid.step(v) !== true)
			return valid.step(v);
		if (!all.length && !uci.get('latchkey', id, 'once'))
			return _('Add at least one step.');

		return all.length ? valid.steps(all) : true;
	};

	o = s.option(form.Button, '_generate', '\u00a0');
	o.modalonly = true;
	o.inputtitle = _('Make a strong sequence');
	o.inputstyle = 'action';
	o.onclick = function(ev, id) {
		const list = this.section.getUIElement(id, 'step');
		const steps = sequence.generate(ports.taken(api.around()));

		list.setValue(steps);
		showJudgement(id, steps);
	};

	o = s.option(form.DummyValue, '_judge', _('Strength'));
	o.modalonly = true;
	o.renderWidget = function(id) {
		return E('div', { 'id': 'lk-judge-' + id, 'class': 'lk', 'role': 'status' }, [
			rows.judgement([].concat(uci.get('latchkey', id, 'step') || [])) ]);
	};
	o.write = o.remove = function() {};

	o = s.option(form.Value, 'within', _('Within'), _('Time from the first step to the last, such as 15s.'));
	o.modalonly = true;
	o.placeholder = rules.DEFAULTS.within;
	o.validate = function(id, v) { return v ? valid.within(v) : true; };

	addReferences(s);
}

function addReferences(s) {
	let o = s.option(form.MultiValue, 'door', _('Opens'));
	o.modalonly = true;
	uci.sections('latchkey', 'door').forEach(function(d) { grid.choice(o, d['.name'], door.title(d)); });

	o = s.option(form.ListValue, 'client', _('Whose knock it is'), _('Shown in events. This client must be allowed to open the same doors.'));
	o.modalonly = true;
	grid.choice(o, '', _('nobody’s in particular'));
	uci.sections('latchkey', 'client').forEach(function(c) { grid.choice(o, c['.name'], c.title || c['.name']); });
	o.validate = function(id, v) {
		const may = [].concat(uci.get('latchkey', v, 'door') || []).join(' ').split(' ');
		const missing = [].concat(this.section.formvalue(id, 'door') || []).find(function(d) { return may.indexOf(d) < 0; });

		return (v && missing) ? text.say(_('This client may not open “{door}”.'), { door: missing }) : true;
	};

	o = s.option(form.DynamicList, 'once', _('One-time sequences'),
		_('Instead of steps: each line is a whole sequence such as “7000/tcp 9000/tcp 8000/tcp” and works once, in this order.'));
	o.modalonly = true;
	o.validate = function(id, v) {
		return v ? valid.steps(v.trim().split(/\s+/)) : true;
	};
}

function addColumns(s) {
	grid.column(s, '_steps', _('Knock'), function(id) { return rows.sequenceRow(uci.get('latchkey', id)); });
	grid.column(s, '_opens', _('Opens'), function(id) {
		return rows.doorList(uci.get('latchkey', id, 'door'), uci.sections('latchkey', 'door'));
	});

	const o = s.option(form.Flag, 'enabled', _('Enable'));
	o.modalonly = false;
	o.editable = true;
	o.default = '1';
	o.rmempty = false;
}

// Files and lines for the programs that can knock this sequence.
function exportDialog(id) {
	return api.whereabouts().then(function(where) {
		const host = where.host || where.addresses[0] || '';
		const steps = [].concat(uci.get('latchkey', id, 'step') || []);

		page.dialog(text.say(_('Hand out “{name}”'), { name: id }), [
			share.sequencePanel({
				name: id,
				json: JSON.stringify(sequence.knockOnPorts({ name: id, host: host, steps: steps }), null, 1),
				knock: sequence.knockLine(host || 'HOST', steps),
				latchkey: sequence.latchkeyLine(host || 'HOST', steps),
				knockd: sequence.knockdConf(id, steps)
			}),
			page.buttons([ [ _('Done'), 'cbi-button-action important', ui.hideModal ] ])
		]);
	}).catch(page.failed);
}

// LuCI's field for a new section's name says nothing about itself.
function nameField(node) {
	const field = node.querySelector('.cbi-section-create-name');

	if (!field)
		return;
	field.setAttribute('aria-label', _('Name of the new sequence'));
	field.setAttribute('placeholder', _('Name'));
}

function renderForm() {
	const m = new form.Map('latchkey', _('Sequences'),
		_('A sequence is the classic knock: packets to the right ports in the right order, for apps that can do nothing else.') + ' ' +
		_('Whoever can send packets in your address’s name can keep a sequence from opening; a client’s message stands that.'));
	const s = grid.table(m, 'sequence', function(id) { return text.say(_('Sequence “{name}”'), { name: id }); });

	s.addremove = true;
	s.sortable = true;
	s.nodescriptions = true;
	s.addbtntitle = _('Add a sequence…');
	s.renderSectionPlaceholder = function() { return E('em', [ _('There is no sequence yet.') ]); };
	s.handleAdd = function(ev, name) {
		const ok = valid.name(name);

		if (ok !== true)
			return page.failed(new Error(ok));

		return form.GridSection.prototype.handleAdd.call(this, ev, name);
	};
	s.renderRowActions = function(id) {
		const cell = this.super('renderRowActions', [ id, _('Edit') ]);
		const box = cell.lastElementChild || cell;

		box.classList.add('lk-actions');
		box.insertBefore(E('button', { 'class': 'btn cbi-button cbi-button-neutral', 'click': function() { return exportDialog(id); } },
			[ _('Hand out…') ]), box.firstChild);

		return cell;
	};
	addColumns(s);
	addEditor(s);

	return m.render().then(function(node) {
		node.insertBefore(E('div', { 'class': 'lk' }, [ share.replayNote(), E('p', { 'class': 'lk-import' }, [ E('button', {
			'class': 'btn cbi-button cbi-button-neutral', 'click': store.importFile }, [ _('Import from knockd or fwknop…') ]) ]) ]),
		node.querySelector('.cbi-section'));
		nameField(node);

		return node;
	});
}

return page.makeView({
	load: function() {
		page.style();
		if (!page.mayWrite())
			return null;

		return Promise.all([ uci.load('latchkey'), api.surroundings() ]);
	},

	render: function() {
		return page.mayWrite() ? renderForm()
			: page.onlyOwners(_('Sequences'), _('Sequences are secrets: only accounts that may change them can see them.'));
	},

	handleSave: page.mayWrite() ? view.prototype.handleSave : null,
	handleSaveApply: page.mayWrite() ? function(ev, mode) { return page.checkedApply(this, ev, mode); } : null,
	handleReset: page.mayWrite() ? view.prototype.handleReset : null
});
