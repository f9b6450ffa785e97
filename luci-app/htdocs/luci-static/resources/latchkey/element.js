// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require latchkey.text as text';

// Elements in which every text is a text. LuCI's own E() reads a string as HTML wherever it is not in
// a list, and so do many of its functions; whatever a title, a host's name or an error holds must not
// be read so. All our modules make their elements here: const E = element.make.

// Attributes that are shown or spoken.
const SPOKEN = [ 'alt', 'aria-label', 'label', 'placeholder', 'title' ];

// Addresses that lead to a page; a file to save is data.
const LEADS = /^(https?:\/\/|\/|#|\?|latchkey:)/i;
const SAVES = /^data:[a-z\/+-]+;charset=utf-8,/;

// A text node, for LuCI's functions that take a text or a node.
function words(value) {
	return document.createTextNode(text.isolated(value));
}

function append(node, children) {
	[ children ].flat(Infinity).forEach(function(child) {
		if (child == null || child === '')
			return;
		node.appendChild(child.nodeType ? child : words(child));
	});
}

function setAttribute(node, name, value) {
	if (typeof(value) == 'function')
		node.addEventListener(name, value);
	else if ((/^on/i).test(name))
		throw new Error('attribute ' + name + ' would be a script');
	else if (name == 'href' && !LEADS.test(value) && !(node.hasAttribute('download') && SAVES.test(value)))
		return; // javascript: and the like lead nowhere
	else
		node.setAttribute(name, (SPOKEN.indexOf(name) >= 0) ? text.isolated(value) : value);
}

// An element with attributes (functions are listeners, null is left out) and children: nodes, texts,
// and lists of them. Attributes may be left out.
function make(tag, attributes, children) {
	return filled(document.createElement(tag), attributes, children);
}

// The same for a part of a drawing.
function shape(tag, attributes, children) {
	return filled(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function filled(node, attributes, children) {
	if (attributes == null || typeof(attributes) != 'object' || attributes.nodeType || Array.isArray(attributes)) {
		children = (children === undefined) ? attributes : children;
		attributes = {};
	}
	Object.keys(attributes).forEach(function(name) {
		if (attributes[name] != null)
			setAttribute(node, name, attributes[name]);
	});
	append(node, children);

	return node;
}

// Says a text in a node that is there already, instead of what it holds.
function say(node, value) {
	node.textContent = text.isolated(value);
}

const SHAPES = [ 'svg', 'g', 'path', 'rect' ];

// A drawing from the text of an SVG of plain shapes.
function drawing(source) {
	const root = new DOMParser().parseFromString(source, 'image/svg+xml').documentElement;

	[ root ].concat(Array.from(root.querySelectorAll('*'))).forEach(function(node) {
		if (SHAPES.indexOf(node.localName) < 0 || Array.from(node.attributes).some(function(a) { return (/^on|href$/i).test(a.name); }))
			throw new Error('not a drawing of plain shapes');
	});

	return document.importNode(root, true);
}

return baseclass.extend({
	make: make,
	shape: shape,
	words: words,
	say: say,
	drawing: drawing
});
