"""A new network of some units of another, with given recurrent weights under a mask."""

import numpy as np
import torch
from torch import Tensor

from neurornn import _check
from neurornn.cell import LeakyRate
from neurornn.cell.spiking import AbstractSpiking
from neurornn.network import Network
from neurornn.wiring import AbstractWiring, Dale, Dense, LowRank, Masked, NoAutapses, Sparse


def remade(
    network: Network, units: np.ndarray, weights: np.ndarray, mask: np.ndarray, taus: np.ndarray | None = None
) -> Network:
    """Return a network of `units` alone: as those of `network` but for the recurrent weights, and time constants.

    It is built from settings of its own, so that it can be written down, trained and rebuilt as any other.

    Args:
        network: the network before; it is only read.
        units: which of its units, in rising order. Shape `(kept,)`.
        weights: recurrent weights, in the wiring's own unit, of all units before. Shape `(unit, unit)`.
        mask: which of them there are. Shape `(unit, unit)`.
        taus: new time constants of the units, ms. Shape `(kept,)`. The recurrent weights of spiking units are relative
            to them, and stay the same numbers.

    Raises:
        ValueError: if units are needed that are not there, or the wiring cannot hold the weights.
    """
    old = network.cell
    assert isinstance(old, LeakyRate | AbstractSpiking), "asked of others by nobody"
    chosen = torch.as_tensor(units)
    _refuse_lost(network, chosen)
    square = np.ix_(units, units)
    settings = dict(old.settings)
    settings["n_units"] = len(units)
    given = torch.as_tensor(weights[square]).to(network.readout.dtype)
    settings["wiring"] = _wiring(old.wiring, chosen, given, torch.as_tensor(mask[square]))
    for name in ("tau", *getattr(old, "_own", ())):
        if not isinstance(settings.get(name), int | float | None):
            settings[name] = getattr(old, name)().detach()[chosen].tolist()
    if taus is not None:
        settings["tau"] = [float(tau) for tau in taus]
    if isinstance(old, AbstractSpiking) and old.delays is not None:
        settings["delay"] = (old.dt * old.delays.double()[chosen][:, chosen]).tolist()
    others = {name: value for name, value in network.settings.items() if name != "cell"}
    new = Network(type(old)(**settings), **others).to(device=network.device, dtype=network.readout.dtype)
    left = {"cell.tau", "cell.unit_rec"} if taus is not None else set()
    _fill(new, network, chosen, left)
    return new


def _fill(new: Network, old: Network, chosen: Tensor, left: set[str]) -> None:
    """Copy everything but the wiring, of the chosen units alone."""
    given = old.state_dict()
    with torch.no_grad():
        for name, target in new.state_dict().items():
            if name.startswith(("cell.wiring.", *left)) or name == "cell.delays":
                continue
            value = given[name]
            for axis, (size, wanted) in enumerate(zip(value.shape, target.shape, strict=True)):
                if size != wanted:
                    value = value.index_select(axis, chosen.to(value.device))
            target.copy_(value)


def _refuse_lost(network: Network, chosen: Tensor) -> None:
    needed = needed_units(network)
    lost = sorted(set(needed) - set(chosen.tolist()))
    if lost:
        fix = "Keep the unit that an input drives alone."
        _check.fail("prune", "units", f"among them {len(needed)} that have an input of their own", lost, fix)


def needed_units(network: Network) -> list[int]:
    """Return the units that must stay: those that an input drives alone."""
    cell = network.cell
    if isinstance(cell, LeakyRate) and cell.settings["one_to_one"]:
        return list(range(cell.n_in))
    if getattr(cell, "injected", False) and cell.n_in == cell.n_units > 1:
        return list(range(cell.n_units))
    return []


def _wiring(old: AbstractWiring, chosen: Tensor, weights: Tensor, mask: Tensor) -> Masked:
    """Return a wiring of the chosen units with these weights: what was a rule stays one, what was a mask is now one."""
    signs = signs_of(old)
    if signs is not None and bool((weights * mask * signs[chosen] < 0).any()):
        fix = "Take diagonal='original': a matched one gives units connections onto themselves of the other sign."
        _check.fail("prune", "weights", "of one sign a unit, for a wiring with Dale's law", "others", fix)
    if without_autapses(old) and bool((mask.diagonal() & (weights.diagonal() != 0)).any()):
        fix = "Take diagonal='original'."
        _check.fail("prune", "weights", "0 on the diagonal, for a wiring without autapses", "others", fix)
    return Masked(_part(old, chosen, weights * mask), mask)


def _part(old: AbstractWiring, chosen: Tensor, weights: Tensor) -> AbstractWiring:
    if isinstance(old, Sparse | Masked):
        return _part(old.inner, chosen, weights)
    if isinstance(old, NoAutapses):
        return NoAutapses(_part(old.inner, chosen, weights))
    if isinstance(old, Dale):
        return _dale(old, chosen, weights)
    if isinstance(old, Dense):
        new = Dense(len(chosen), **{name: old.settings[name] for name in ("gain", "uniform", "seed")}).to(weights.dtype)
        with torch.no_grad():
            new.weight.copy_(weights)
        return new
    if isinstance(old, LowRank):
        return _low_rank(old, chosen, weights)
    must = "Dense, LowRank, Sparse, Masked, NoAutapses or Dale"
    _check.fail("prune", "wiring", must, type(old).__name__, "Copy its weights into a Dense one.")


def _dale(old: Dale, chosen: Tensor, weights: Tensor) -> Dale:
    n_exc = int((old.signs[chosen] > 0).sum())
    if not 0 < n_exc < len(chosen):
        fix = "Keep more units."
        _check.fail("prune", "units", "some that excite and some that inhibit", f"{n_exc} of {len(chosen)} excite", fix)
    inner = _part(old.inner, chosen, weights.abs())
    kept = {name: value.clone() for name, value in inner.state_dict().items()}
    new = Dale(inner, excitatory=n_exc / len(chosen))
    inner.load_state_dict(kept)  # which Dale has balanced, as it does with fresh weights
    return new


def _low_rank(old: LowRank, chosen: Tensor, weights: Tensor) -> LowRank:
    new = LowRank(len(chosen), **{name: old.settings[name] for name in ("rank", "gain", "seed")}).to(weights.dtype)
    with torch.no_grad():
        new.m.copy_(old.m[chosen] * (len(chosen) / old.n_units))
        new.n.copy_(old.n[chosen])
        same = torch.where(weights != 0, (weights - new()).abs(), torch.zeros(())).max()
        if float(same) > 1e-5 * float(new().abs().max()):
            fix = "Take rescale='none' and diagonal='original'."
            _check.fail("prune", "weights", "as they were, for a wiring of low rank", "rescaled ones", fix)
    return new


def wiring_of(network: Network) -> AbstractWiring:
    """Return the wiring of a network of rate or spiking units."""
    cell = network.cell
    assert isinstance(cell, LeakyRate | AbstractSpiking), "others are refused before"
    return cell.wiring


def signs_of(wiring: AbstractWiring) -> Tensor | None:
    """Return the sign of each unit under Dale's law; `None` without it."""
    while isinstance(wiring, Sparse | Masked | NoAutapses | Dale):
        if isinstance(wiring, Dale):
            return wiring.signs.cpu()
        wiring = wiring.inner
    return None


def without_autapses(wiring: AbstractWiring) -> bool:
    """Tell whether a wiring forbids connections of units onto themselves."""
    while isinstance(wiring, Sparse | Masked | NoAutapses | Dale):
        if isinstance(wiring, NoAutapses):
            return True
        wiring = wiring.inner
    return False
