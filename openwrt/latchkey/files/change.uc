// SPDX-License-Identifier: Apache-2.0

// The module latchkey.change: how the ubus objects of Latchkey change a configuration of this router's.

'use strict';

import { cursor } from 'uci';
import { readfile, writefile } from 'fs';
import { connect as ubus } from 'ubus';

// inForce returns a cursor that has a configuration as its file says; null if there is none that can be read.
// uci leaves out what somebody staged, in /tmp/.uci, only where a configuration is named by its path; another
// folder for changes comes on top of that one, and does not replace it.
function inForce(folder, name) {
	const uci = cursor(folder);

	return uci?.load(`${folder}/${name}`) ? uci : null;
}

// change commits what edit does to a configuration, and nothing else, and puts it in force. It returns null, or
// { error, hint } if the file is as it was: edit tells by what it returns whether it did it. copy names a file
// that has what the configuration was.
function change(folder, name, edit, copy) {
	const file = `${folder}/${name}`;
	const before = readfile(file);
	const uci = inForce(folder, name);

	if (before == null || !uci)
		return { error: `cannot read ${file}`, hint: 'uci show tells what is wrong with it' };
	if (!edit(uci))
		return { error: `cannot change ${file}: ${uci.error() ?? 'refused'}`, hint: 'nothing was changed' };

	const wanted = sprintf('%J', uci.get_all(name));

	// On a full flash uci says that all is well, and what it leaves is empty, or cut off.
	if (uci.commit(name) && sprintf('%J', inForce(folder, name)?.get_all(name)) == wanted) {
		ubus()?.call('service', 'event', { type: 'config.change', data: { package: name } });
		return null;
	}

	if (readfile(file) != before)
		writefile(file, before);

	return {
		error: `cannot write ${file}: is the flash full?`,
		hint: readfile(file) == before ? 'nothing was changed' : `what it was is in ${copy ?? 'your last backup'}`
	};
}

export { inForce, change };
