// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.element as element';

// Fields and buttons of our dialogs, in the manner of LuCI's forms. Needs only the DOM.

const E = element.make;

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

// Says in error what is wrong with the form around it, marks the field that is, and leads there. problem is
// { control, text }, or null: then nothing is wrong any more. Returns whether something is.
function complain(error, problem) {
	error.closest('.lk-form').querySelectorAll('[aria-invalid]').forEach(function(c) {
		c.removeAttribute('aria-invalid');
		c.classList.remove('cbi-input-invalid');
	});
	element.say(error, problem ? problem.text : '');
	if (!problem || !problem.control)
		return problem != null;
	problem.control.setAttribute('aria-invalid', 'true');
	problem.control.classList.add('cbi-input-invalid');
	problem.control.focus();

	return true;
}

// Runs what a button stands for, once at a time; if it fails, the reason stands in error and the
// button can be pressed again.
function attempt(go, error, run) {
	go.disabled = true;
	go.classList.add('spinning');

	return run().catch(function(err) {
		element.say(error, err.message || String(err));
		go.disabled = false;
		go.classList.remove('spinning');
	});
}

// Warnings, one a line.
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

// A group of ticks: list of [value, label]; empty is what to say if it is empty.
function checkboxes(label, list, empty) {
	const boxes = list.map(function(item) {
		const id = 'lk-field-' + (++ids);
		const box = E('input', { 'type': 'checkbox', 'id': id, 'value': item[0], 'checked': (list.length == 1) ? '' : null });

		return { box: box, row: E('div', { 'class': 'lk-check' }, [ box, ' ', E('label', { 'for': id }, [ item[1] ]) ]) };
	});

	const id = 'lk-field-' + (++ids);

	return {
		row: E('div', { 'class': 'cbi-value', 'role': 'group', 'aria-labelledby': id }, [
			E('label', { 'class': 'cbi-value-title', 'id': id }, [ label ]),
			E('div', { 'class': 'cbi-value-field' }, boxes.length ? boxes.map(function(b) { return b.row; })
				: [ E('em', [ empty ]) ])
		]),
		first: boxes.length ? boxes[0].box : null,
		chosen: function() {
			return boxes.filter(function(b) { return b.box.checked; }).map(function(b) { return b.box.value; });
		}
	};
}

return baseclass.extend({
	value: value,
	select: select,
	input: input,
	field: field,
	show: show,
	button: button,
	foot: foot,
	fill: fill,
	complain: complain,
	attempt: attempt,
	conflictList: conflictList,
	checkboxes: checkboxes
});
