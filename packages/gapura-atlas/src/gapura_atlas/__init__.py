"""Place data for Gapura, as files in `data/`: IPFire Location, CC BY-SA 4.0.  Who shows them shows `ATTRIBUTION`."""

ATTRIBUTION = "Place data: IPFire Location (https://location.ipfire.org/), CC BY-SA 4.0, repacked"
