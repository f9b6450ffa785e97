// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require ui';
'require view';
'require latchkey.api as api';
'require latchkey.text as text';
'require latchkey.element as element';

// What all our pages share in LuCI: style sheet, dialogs, errors. Thin.

const E = element.make;

function style() {
	const id = 'latchkey-style';

	if (!document.getElementById(id))
		document.head.appendChild(E('link', { 'id': id, 'rel': 'stylesheet', 'href': L.resource('view/latchkey/latchkey.css') }));
}

// Whether this account may change things. The read ACL has no uci and no buttons.
function mayWrite() {
	return L.hasViewPermission() === true;
}

// LuCI's dialog has neither a role nor a way out by the Escape key: give it both. It reads a title as
// HTML that is not in a list.
function dialog(title, children) {
	const modal = ui.showModal([ text.isolated(title) ], [ E('div', { 'class': 'lk lk-dialog' }, children) ]);
	const focusable = modal.querySelector('input:not([type=hidden]), select, textarea, button, a[href]');

	modal.setAttribute('role', 'dialog');
	modal.setAttribute('aria-modal', 'true');
	modal.setAttribute('aria-label', text.isolated(title));
	modal.onkeydown = function(ev) { // the node is LuCI's and stays: a listener would be added each time
		if (ev.key == 'Escape')
			ui.hideModal();
	};
	if (focusable)
		focusable.focus();

	return modal;
}

function failed(err) {
	ui.addNotification(null, E('p', [ err.message || String(err) ]), 'danger');
}

// Buttons at the foot of a dialog: [ label, class, handler ].
function buttons(list) {
	return E('div', { 'class': 'right button-row' }, list.reduce(function(all, b) {
		return all.concat(all.length ? [ ' ' ] : [], E('button', { 'class': 'btn cbi-button ' + b[1], 'click': b[2], 'type': 'button' }, [ b[0] ]));
	}, []));
}

function problemList(problems) {
	return E('ul', problems.map(function(p) { return E('li', [ p.text ]); }));
}

// Shows what the daemon would say of the saved configuration. again() applies in spite of warnings.
function showProblems(errors, warnings, again) {
	dialog(errors.length ? _('This configuration would be refused') : _('This configuration has doubtful places'), [
		problemList(errors.length ? errors : warnings),
		E('p', [ errors.length ? _('Nothing was applied. Change it, then save again.') : _('It works in spite of them.') ]),
		buttons([ [ _('Back'), '', ui.hideModal ] ].concat(errors.length ? [] : [ [ _('Apply'), 'cbi-button-action important', again ] ]))
	]);
}

// Warnings that the owner has seen in this tab of the browser are not shown again.
const SEEN_KEY = 'latchkey.seen';

function withoutLine(problem) {
	return problem.text.replace(/ \(line \d+\)$/, '');
}

function isSeen(problem) {
	return JSON.parse(window.sessionStorage.getItem(SEEN_KEY) || '[]').indexOf(withoutLine(problem)) >= 0;
}

function setSeen(problems) {
	window.sessionStorage.setItem(SEEN_KEY, JSON.stringify(problems.map(withoutLine)));
}

// "Save & Apply" of our forms: saves, has the daemon check it, and applies only what it would take.
function checkedApply(view, ev, mode) {
	return view.handleSave(ev).then(api.check).then(function(problems) {
		const errors = problems.filter(function(p) { return !p.warning; });
		const apply = function() {
			setSeen(problems);
			ui.hideModal();
			ui.changes.apply(mode == '0');
		};

		return (errors.length || !problems.every(isSeen)) ? showProblems(errors, problems, apply) : apply();
	});
}

// For tabs that hold secrets, to an account that may only look.
function onlyOwners(title, words) {
	return E('div', { 'class': 'lk' }, [ E('h2', [ title ]), E('p', { 'class': 'lk-empty' }, [ words ]) ]);
}

// A view whose failures are told as texts: what load or render throws, LuCI itself shows as HTML.
function makeView(members) {
	const told = function(err) {
		return E('div', { 'class': 'lk' }, [ E('p', { 'class': 'lk-error', 'role': 'alert' }, [ err.message || String(err) ]) ]);
	};

	return view.extend(Object.assign({}, members, {
		load: function() {
			return Promise.resolve().then(members.load.bind(this)).then(function(data) { return { data: data }; },
				function(err) { return { failed: err }; });
		},
		render: function(loaded) {
			if (loaded.failed)
				return told(loaded.failed);

			return Promise.resolve(loaded.data).then(members.render.bind(this)).catch(told);
		}
	}));
}

return baseclass.extend({
	style: style,
	mayWrite: mayWrite,
	dialog: dialog,
	failed: failed,
	buttons: buttons,
	checkedApply: checkedApply,
	onlyOwners: onlyOwners,
	makeView: makeView
});
