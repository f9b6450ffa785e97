// SPDX-License-Identifier: Apache-2.0

// Reading and writing of gettext's .po text, as far as LuCI uses it.

// Returns { header: {name: value}, entries: [{ context, id, plural, translations: [], comments: [] }] }.
export function parsePo(text) {
	const entries = [];
	let entry = null, field = null;

	const fresh = () => ({ context: null, id: '', plural: null, translations: [], comments: [] });
	const finish = () => {
		if (entry && field)
			entries.push(entry);
		entry = field = null;
	};
	const add = value => {
		if (field.startsWith('msgstr')) {
			const n = +(field.match(/\d+/) || [0])[0];

			entry.translations[n] = (entry.translations[n] || '') + value;
		}
		else {
			entry[field] = (entry[field] || '') + value;
		}
	};

	for (const line of text.split('\n')) {
		if (line.trim() == '') {
			finish();
			continue;
		}
		entry ??= fresh();
		if (line.startsWith('#')) {
			entry.comments.push(line);
			continue;
		}

		const m = line.match(/^(?:(msgctxt|msgid|msgid_plural|msgstr(?:\[\d\])?) )?(".*")$/);

		if (!m)
			throw new Error('not a line of a .po file: ' + line);
		if (m[1])
			field = { msgctxt: 'context', msgid: 'id', msgid_plural: 'plural' }[m[1]] || m[1];
		add(JSON.parse(m[2]));
	}
	finish();

	const head = entries[0]?.id == '' ? entries.shift() : null;
	const header = {};

	for (const line of (head?.translations[0] || '').split('\n'))
		if (line.includes(':'))
			header[line.slice(0, line.indexOf(':'))] = line.slice(line.indexOf(':') + 1).trim();

	return { header, entries };
}

// Which form a number takes, by the header Plural-Forms.
export function pluralFunction(header) {
	const m = (header['Plural-Forms'] || '').match(/plural=([^;]+);/);

	return new Function('n', 'return +(' + (m ? m[1] : 'n != 1') + ');');
}

export function formatEntry(entry, translations) {
	const out = [ ...entry.comments ];
	const quote = s => JSON.stringify(s);

	if (entry.context != null)
		out.push('msgctxt ' + quote(entry.context));
	out.push('msgid ' + quote(entry.id));
	if (entry.plural) {
		out.push('msgid_plural ' + quote(entry.plural));
		translations.forEach((t, i) => out.push('msgstr[' + i + '] ' + quote(t)));
	}
	else {
		out.push('msgstr ' + quote(translations[0] || ''));
	}

	return out.join('\n') + '\n';
}
