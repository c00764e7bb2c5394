"""Azure's regions, by cloud, and the check of a location.

Sources, as of November 2026. Public: learn: reliability/regions-list, and the early-access regions that Azure itself
lists (MicrosoftDocs/executable-docs issue 74). Sovereign: Azure/AKS issue 5099, MicrosoftDocs/executable-docs issues
74 and 75, learn: javascript/api/@azure/arm-migrationassessment/azurelocation. Add a new region here.
"""

from itertools import chain
from typing import Final

from rehearsal.azure import errors
from rehearsal.azure.arm import short_location

_PUBLIC: Final = """
australiacentral australiacentral2 australiaeast australiasoutheast austriaeast belgiumcentral brazilsouth
brazilsoutheast canadacentral canadaeast centralindia centralus centraluseuap chilecentral denmarkeast eastasia
eastus eastus2 eastus2euap francecentral francesouth germanynorth germanywestcentral indonesiacentral
israelcentral italynorth japaneast japanwest jioindiacentral jioindiawest koreacentral koreasouth malaysiawest
mexicocentral newzealandnorth northcentralus northeurope norwayeast norwaywest polandcentral qatarcentral
southafricanorth southafricawest southcentralus southeastasia southindia spaincentral swedencentral swedensouth
switzerlandnorth switzerlandwest taiwannorth taiwannorthwest uaecentral uaenorth uksouth ukwest westcentralus
westeurope westindia westus westus2 westus3
"""

# By azure-native's name of the cloud, its provider's `environment`.
_REGIONS: Final[dict[str, tuple[str, ...]]] = {
    "public": tuple(_PUBLIC.split()),
    "usgovernment": ("usdodcentral", "usdodeast", "usgovarizona", "usgovtexas", "usgovvirginia"),
    "china": ("chinaeast", "chinaeast2", "chinaeast3", "chinanorth", "chinanorth2", "chinanorth3"),
}


def require_location(kind: str, location: str, cloud: str | None) -> None:
    """Refuse a resource in a location that is not an Azure region.

    Args:
        kind: ARM's name of the resource's type.
        location: its location.
        cloud: azure-native's `environment`. Without it, a region of any cloud is accepted, because the environment may
            come from the shell (`ARM_ENVIRONMENT`), which the stand-in does not see.
    """
    regions = _REGIONS.get(cloud or "", _REGIONS["public"])
    others = () if cloud in _REGIONS else chain(*_REGIONS.values())
    if short_location(location) in {*regions, *others}:
        return
    names = ",".join(regions)
    if kind == "Microsoft.Resources/resourceGroups":
        raise errors.LOCATION_NOT_AVAILABLE_FOR_RESOURCE_GROUP.refusal(location=location, regions=names)
    raise errors.LOCATION_NOT_AVAILABLE_FOR_RESOURCE_TYPE.refusal(location=location, kind=kind, regions=names)
